// What a setting does under one level of another setting and not under the other: cnnexp/comparison/interactions.py in
// the browser.

import { pairedByBlock } from "#effects";
import { order } from "#endings";
import { SEEDS_FOR_A_VERDICT, signOf } from "#seeds";
import { fisherExact, holm, mean, tInterval, tPValue } from "#statistics";

const LEVEL = 0.005; // of all pairs of settings together, as in the Python
const MOST_LEVELS = 8; // of a setting
const LEAST_RUNS = 2; // in a cell that is said to fail, or not to
const FAILS = 0.5; // share of runs that learned nothing

/** Which level fails with which levels of another setting and never with others; the clearest first; in steps. */
export function* failureInteractions({ runs, settings }, counted) {
  const usual = settings.filter(({ levels }) => 1 < levels.length && levels.length <= MOST_LEVELS);
  const found = new Map();
  for (const setting of usual) {
    for (const other of usual.filter((each) => each !== setting)) {
      const pair = [setting.column.name, other.column.name].sort().join(" ");
      for (const level of setting.levels) {
        yield;
        const one = failsWith(runs, setting, level, other, counted);
        if (one !== null && (!found.has(pair) || order(one.p, found.get(pair).p) < 0)) found.set(pair, one);
      }
    }
  }
  return [...found.values()].sort((one, other) => order(one.p, other.p));
}

function failsWith(runs, setting, level, other, counted) {
  const own = runs.filter((run) => setting.column.values[run] === level);
  const cells = other.levels.map((each) => [each, counted(own.filter((run) => other.column.values[run] === each))]);
  const known = cells.filter(([, { tried }]) => tried >= LEAST_RUNS);
  const elsewhere = runs.filter((run) => setting.column.values[run] !== level);
  const failing = known.filter(
    ([each, cell]) =>
      cell.nothing >= Math.max(LEAST_RUNS, FAILS * cell.tried) &&
      someLevelLearns(
        elsewhere.filter((run) => other.column.values[run] === each),
        setting,
        counted,
      ),
  );
  const sound = known.filter(([, { nothing }]) => nothing === 0);
  if (failing.length === 0 || sound.length === 0) return null;
  const [fails, learns] = [failing, sound].map(summed);
  const p = fisherExact(fails.nothing, fails.tried, learns.nothing, learns.tried);
  const levelsOf = (cells) => cells.map(([each]) => each);
  const notWith = { levels: levelsOf(sound), ...learns };
  return { setting, level, other, failsWith: levelsOf(failing), notWith, ...fails, p };
}

/** Whether some other level of the setting learns without failures there, so that the other setting does not explain them. */
function someLevelLearns(runs, { column, levels }, counted) {
  return levels.some((level) => {
    const { learned, nothing } = counted(runs.filter((run) => column.values[run] === level));
    return learned >= LEAST_RUNS && nothing === 0;
  });
}

function summed(cells) {
  const sum = (name) => cells.reduce((total, [, cell]) => total + cell[name], 0);
  return { nothing: sum("nothing"), tried: sum("tried") };
}

/** Where the gain of a level differs with a level of another setting, that are claimed, the largest first; in steps. */
export function* scoreInteractions(data, runs, settings, blockedBy, metric) {
  const usual = settings.filter(({ levels }) => 1 < levels.length && levels.length <= MOST_LEVELS);
  const found = [];
  for (const [index, setting] of usual.entries()) {
    const held = blockedBy.map(({ column }) => column).filter((column) => column !== setting.column);
    for (const other of usual.slice(index + 1)) {
      const place = held.indexOf(other.column);
      if (place < 0) continue;
      for (const level of setting.levels.slice(1)) {
        yield;
        const blocks = pairedByBlock(data, runs, setting.column, [setting.levels[0], level], held, metric);
        for (const otherLevel of other.levels.slice(1)) {
          const one = contrast(setting, level, other, otherLevel, blocks, place, metric);
          if (one !== null) found.push(one);
        }
      }
    }
  }
  const adjusted = holm(found.map(({ p }) => p));
  const claimed = new Map();
  const largest = found.map((one, index) => ({ ...one, pAdjusted: adjusted[index] }));
  largest.sort((one, other) => Math.abs(other.difference.gain.mean) - Math.abs(one.difference.gain.mean));
  for (const one of largest) {
    const pair = `${one.setting.column.name} ${one.other.column.name}`;
    if (one.pAdjusted <= LEVEL && !claimed.has(pair)) claimed.set(pair, one);
  }
  return [...claimed.values()];
}

/** How the gain of `level` differs between `otherLevel` and the first; null for fewer than five seeds. */
function contrast(setting, level, other, otherLevel, blocks, place, metric) {
  const against = other.levels[0];
  const cells = new Map();
  for (const { block, seeds } of blocks) {
    const rest = block.filter((_, index) => index !== place).join(" ");
    for (const [seed, difference] of seeds) {
      const key = `${seed} ${rest}`;
      if (!cells.has(key)) cells.set(key, { seed, gains: new Map() });
      cells.get(key).gains.set(block[place], signOf(metric) * difference);
    }
  }
  const bySeed = new Map();
  for (const { seed, gains } of cells.values()) {
    if (!gains.has(against) || !gains.has(otherLevel)) continue;
    if (!bySeed.has(seed)) bySeed.set(seed, []);
    bySeed.get(seed).push([gains.get(otherLevel), gains.get(against)]);
  }
  if (bySeed.size < SEEDS_FOR_A_VERDICT) return null;
  const means = [...bySeed.values()].map((pairs) => [0, 1].map((part) => mean(pairs.map((pair) => pair[part]))));
  const differences = means.map(([gainWith, gainWithout]) => gainWith - gainWithout);
  return {
    setting,
    level,
    other,
    otherLevel,
    otherAgainst: against,
    gainWith: mean(means.map(([gain]) => gain)),
    gainWithout: mean(means.map(([, gain]) => gain)),
    difference: { gain: tInterval(differences) },
    p: tPValue(differences),
  };
}
