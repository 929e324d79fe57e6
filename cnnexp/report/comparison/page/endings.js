// How runs ended: learned, learned nothing, or not finished. cnnexp/comparison/endings.py in the browser.

import { fisherExact } from "#statistics";

const MOST_LEVELS = 12; // of a setting whose levels are counted

/** Return a function that counts runs: {learned, nothing, tried}; `usable` are those with a score. */
export function counter(data, usable) {
  const scored = new Set(usable);
  const learnedNothing = (run) =>
    scored.has(run) ? data.runs.learned_nothing[run] !== "" : data.runs.status[run] === "diverged";
  return (runs) => {
    const nothing = runs.filter(learnedNothing).length;
    const learned = runs.filter((run) => scored.has(run) && data.runs.learned_nothing[run] === "").length;
    return { learned, nothing, tried: nothing + learned };
  };
}

/** The levels under which runs learned nothing more often than under the others, the clearest first. */
export function byLevel({ runs, settings }, counted) {
  const found = settings.flatMap(({ column, levels }) => {
    if (levels.length < 2 || levels.length > MOST_LEVELS) return [];
    return levels.flatMap((level) => {
      const own = counted(runs.filter((run) => column.values[run] === level));
      const others = counted(runs.filter((run) => column.values[run] !== level));
      if (!own.nothing || !others.tried || own.nothing * others.tried <= others.nothing * own.tried) return [];
      return [{ column, level, own, others, p: fisherExact(own.nothing, own.tried, others.nothing, others.tried) }];
    });
  });
  return found.sort((one, other) => order(one.p, other.p));
}

/** Which of two p-values is smaller; within rounding, neither. */
export function order(one, other) {
  return Math.abs(one - other) <= 1e-9 * Math.max(one, other) ? 0 : one - other;
}
