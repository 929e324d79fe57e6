// What does each setting do, everything else and the seed held? cnnexp/comparison/effects.py in the browser.

import { pairedDifferences, SEEDS_FOR_A_VERDICT } from "#seeds";
import { holm, mean } from "#statistics";

/** The effect of every level of a setting against its first, all other settings and the seed held; in steps. */
export function* effectsOf(data, runs, setting, blockedBy, metric, learned) {
  const levels = [...new Set(runs.map((run) => setting.column.values[run]))].sort((one, other) => one - other);
  const others = blockedBy.map(({ column }) => column).filter((column) => column !== setting.column);
  const those = runs.filter((run) => learned.has(run));
  const found = [];
  for (const level of levels.slice(1)) {
    yield;
    const [all, ofLearned] = [runs, those].map((way) =>
      pairedByBlock(data, way, setting.column, [levels[0], level], others, metric),
    );
    const ways = { all: meanOverBlocks(all), learned: meanOverBlocks(ofLearned) };
    const [difference, allRuns] = pairedDifferences(ways, metric, null);
    if (difference === null) continue;
    const blocks = (difference.basis === "learned" ? ofLearned : all).length;
    found.push({ setting, level, against: levels[0], blocks, difference, allRuns });
  }
  return found;
}

/** The second of two levels minus the first, for each block of the others: [{block, seeds: Map seed -> difference}]. */
export function pairedByBlock(data, runs, column, [first, second], others, metric) {
  const blocks = new Map();
  for (const run of runs) {
    const level = column.values[run];
    if (level !== first && level !== second) continue;
    const block = [...others.map((other) => other.values[run]), data.runs.images[run]];
    const key = block.join(" ");
    if (!blocks.has(key)) blocks.set(key, { block, cells: new Map() });
    const { cells } = blocks.get(key);
    const seed = data.runs.seed[run];
    if (!cells.has(seed)) cells.set(seed, [[], []]);
    cells.get(seed)[Number(level === second)].push(metric.values[run]);
  }
  const difference = ([own, other]) => mean(other) - mean(own);
  return [...blocks.values()]
    .map(({ block, cells }) => {
      const whole = [...cells].filter(([, [own, other]]) => own.length && other.length);
      return { block, seeds: new Map(whole.map(([seed, cell]) => [seed, difference(cell)])) };
    })
    .filter(({ seeds }) => seeds.size > 0);
}

function meanOverBlocks(blocks) {
  const found = new Map();
  for (const { seeds } of blocks) {
    for (const [seed, difference] of seeds) {
      if (!found.has(seed)) found.set(seed, []);
      found.get(seed).push(difference);
    }
  }
  return [...found.values()].map(mean);
}

export function corrected(effects) {
  const testable = effects.filter(
    ({ difference }) => difference.p !== null && difference.gain.n >= SEEDS_FOR_A_VERDICT,
  );
  const adjusted = holm(testable.map(({ difference }) => difference.p));
  const pValues = new Map(testable.map((effect, index) => [effect, adjusted[index]]));
  return effects.map((effect) => withPValue(effect, pValues.get(effect) ?? effect.difference.pAdjusted));
}

export function withPValue(effect, pAdjusted) {
  return { ...effect, difference: { ...effect.difference, pAdjusted } };
}
