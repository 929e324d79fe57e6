// The comparison of any choice of runs: cnnexp/comparison/{compare,effects,seeds,same_images}.py in the browser.
// tests/test_comparison_page_statistics.py compares it with the Python on random tables.

import { bySeed, configurations, varyingSettings } from "#design";
import { LEFT_OUT } from "#selection";
import { accuracyDifference, clipped, holm, mcNemarMidP, mean, meanInterval, tInterval, tPValue } from "#statistics";

export const SEEDS_FOR_A_VERDICT = 5;
export const LEVEL = 0.04;
const MODELS_COMPARED = 12;

/** Compare `runs` (indices) in a metric, by the settings in `by`; null where none of them has it. */
export function compare(data, runs, metricName, by = []) {
  const metric = data.metricNamed.get(metricName);
  const objective = validationObjective(data, runs);
  const needed = [metric, ...(objective === null ? [] : [data.metricNamed.get("best/val_loss")])];
  const usable = runs.filter(
    (run) => !LEFT_OUT.has(data.runs.status[run]) && needed.every((column) => column && column.values[run] !== null),
  );
  if (usable.length === 0) return null;
  const settings = varyingSettings(data, usable, by);
  const refused = new Set(usable.map((run) => data.runs.images[run])).size > 1;
  const learned = new Set(usable.filter((run) => data.runs.learned_nothing[run] === ""));
  const withoutScore = placed(runs.filter((run) => !usable.includes(run)), usable, settings);
  const diverged = withoutScore.filter((run) => data.runs.status[run] === "diverged");
  const rows = ranked(data, configurations(usable, settings), settings, objective, diverged);
  const varying = varyingSettings(data, usable);
  let effects = corrected(settings.flatMap((setting) => effectsOf(data, usable, setting, varying, metric, learned)));
  const scores = rows.map((row) => scoresOf(data, row.runs, metric, learned));
  const adjusted = adjustedPValues(scores, objective !== null);
  let overSeeds = scores.map((own, index) => {
    if (refused || index === 0) return [null, null];
    return pairedDifferences(bothWays(own, scores[0]), metric, adjusted.get(`0 ${index}`) ?? null);
  });
  ({ overSeeds, effects } = controlErrorRate(overSeeds, effects, varying, rows, adjusted));
  const best = rows.map((row) => bestRun(data, row, objective));
  const models = refused || data.running !== null ? [] : compareModels(data, best, metric);
  if (data.running !== null) overSeeds = overSeeds.map(() => [null, null]); // no verdict before the end of a sweep
  return {
    data,
    metric,
    objective,
    settings,
    refused,
    usable,
    tried: { runs: [...usable, ...withoutScore], settings: varyingSettings(data, [...usable, ...withoutScore], by) },
    effects: effects.map((effect) => ({ ...effect, standing: standingOf(effect.difference) })),
    models,
    rows: rows.map((row, index) => rowOf(data, row, index, { metric, objective, learned, refused, best, overSeeds, models, rows })),
  };
}

function rowOf(data, row, index, { metric, objective, learned, refused, best, overSeeds, models, rows }) {
  const thatLearned = row.runs.filter((run) => learned.has(run));
  const counted = thatLearned.length ? thatLearned : row.runs;
  const [claimed, overAllSeeds] = overSeeds[index];
  const estimate = (runs, column) => column && meanInterval([...bySeed(data, runs, column.values).values()], column.low, column.high);
  return {
    ...row,
    bestRun: best[index],
    learned: thatLearned.length,
    seeds: bySeed(data, row.runs, metric.values).size,
    score: estimate(counted, metric),
    scoreAll: estimate(row.runs, metric),
    objective: estimate(counted, objective),
    objectiveAll: estimate(row.runs, objective),
    overSeeds: claimed,
    overAllSeeds,
    standing: index === 0 && !refused ? "reference" : standingOfRow(claimed, row, models, rows[0].runs.length === 1),
  };
}

/** Those runs without a score whose combination of settings is recorded. */
function placed(leftOut, usable, settings) {
  const recorded = settings.filter(({ column }) => !usable.some((run) => column.missing.includes(run)));
  return leftOut.filter((run) => recorded.every(({ column }) => !column.missing.includes(run)));
}

export function signOf(metric) {
  return metric.lower_is_better ? -1 : 1;
}

/** What rows are ranked by: the validation number that training watched. */
function validationObjective(data, runs) {
  const has = (name) => runs.some((run) => data.metricNamed.get(name)?.values[run] != null);
  const all = (name) => runs.every((run) => data.metricNamed.get(name)?.values[run] != null);
  if (!has("best/val_loss") && !has("best/val_accuracy")) return null;
  const watched = new Set(runs.map((run) => data.runs.monitor[run]).filter(Boolean));
  const preferred = watched.size === 1 && watched.has("val/accuracy") ? ["best/val_accuracy"] : [];
  const name = [...preferred, "best/val_loss", "best/val_accuracy"].find(all) ?? "best/val_loss";
  return data.metricNamed.get(name) ?? null;
}

/** Best mean over seeds on validation first; a run that diverged counts like the worst one that finished. */
function ranked(data, rows, settings, objective, diverged) {
  if (objective === null) {
    return [...rows].sort((one, other) => {
      for (const { column } of settings) {
        const difference = column.values[one.runs[0]] - column.values[other.runs[0]];
        if (difference !== 0) return difference;
      }
      return 0;
    });
  }
  const cost = (value) => -signOf(objective) * value;
  const worst = Math.max(...rows.flatMap((row) => row.runs.map((run) => cost(objective.values[run]))));
  const isOf = (run, row) => settings.every(({ column }) => column.values[run] === column.values[row.runs[0]]);
  const worse = (row) => {
    const finished = [...bySeed(data, row.runs, objective.values).values()].map(cost);
    return mean([...finished, ...diverged.filter((run) => isOf(run, row)).map(() => worst)]);
  };
  return rows
    .map((row) => [worse(row), row])
    .sort((one, other) => one[0] - other[0])
    .map(([, row]) => row);
}

function bestRun(data, row, objective) {
  if (objective === null) {
    return row.runs.reduce((best, run) => (data.runs.seed[run] < data.runs.seed[best] ? run : best));
  }
  const score = (run) => signOf(objective) * objective.values[run];
  return row.runs.reduce((best, run) => (score(run) > score(best) ? run : best));
}

/** A row's score under each seed: {all} of the runs that finished, {learned} of those that learned. */
function scoresOf(data, runs, metric, learned) {
  return {
    all: bySeed(data, runs, metric.values),
    learned: bySeed(data, runs.filter((run) => learned.has(run)), metric.values),
  };
}

/** Row minus reference under each seed that both have, counted in both ways. */
function bothWays(row, reference) {
  const paired = (way) =>
    [...row[way]].filter(([seed]) => reference[way].has(seed)).map(([seed, score]) => score - reference[way].get(seed));
  return { all: paired("all"), learned: paired("learned") };
}

/** Holm-adjusted tests of pairs of rows with at least five seeds in common: "i j" -> p. */
function adjustedPValues(scores, isRanked) {
  const keys = [];
  const pValues = [];
  const enough = scores.flatMap((own, index) => (own.all.size >= SEEDS_FOR_A_VERDICT ? [index] : []));
  for (const [place, i] of enough.entries()) {
    if (!isRanked && i !== 0) break;
    for (const j of enough.slice(place + 1)) {
      const { all, learned } = bothWays(scores[i], scores[j]);
      const differences = learned.length >= SEEDS_FOR_A_VERDICT ? learned : all;
      if (differences.length < SEEDS_FOR_A_VERDICT) continue;
      keys.push(`${i} ${j}`);
      pValues.push(tPValue(differences));
    }
  }
  const adjusted = holm(pValues);
  return new Map(keys.map((key, index) => [key, adjusted[index]]));
}

/** The difference that a verdict is about, and the one over all runs that finished where that is another one. */
function pairedDifferences({ all, learned }, metric, pAdjusted) {
  const ofAll = pairedDifference(all, metric, pAdjusted);
  const areEqual = all.length === learned.length && all.every((value, index) => value === learned[index]);
  const isOverLearned =
    !areEqual && learned.length > 0 && (learned.length >= SEEDS_FOR_A_VERDICT || all.length < SEEDS_FOR_A_VERDICT);
  if (!isOverLearned || ofAll === null) return [ofAll, null];
  const claimed = pairedDifference(learned, metric, pAdjusted);
  const contradicted = claimed.gain.mean * ofAll.gain.mean < 0;
  return [{ ...claimed, basis: "learned", contradicted }, { ...ofAll, pAdjusted: null }];
}

function pairedDifference(differences, metric, pAdjusted) {
  if (differences.length === 0) return null;
  const gains = differences.map((value) => signOf(metric) * value);
  const gain = clipped(tInterval(gains), metric.low === null || metric.high === null ? null : metric.high - metric.low);
  return { gain, p: gains.length < 2 ? null : tPValue(gains), pAdjusted, basis: "all", contradicted: false };
}

/** The effect of every level of a setting against its first, all other settings and the seed held. */
function effectsOf(data, runs, setting, blockedBy, metric, learned) {
  const levels = [...new Set(runs.map((run) => setting.column.values[run]))].sort((one, other) => one - other);
  const others = blockedBy.map(({ column }) => column).filter((column) => column !== setting.column);
  const those = runs.filter((run) => learned.has(run));
  return levels.slice(1).flatMap((level) => {
    const [all, ofLearned] = [runs, those].map((way) => pairedByBlock(data, way, setting.column, [levels[0], level], others, metric));
    const ways = { all: meanOverBlocks(all), learned: meanOverBlocks(ofLearned) };
    const [difference, allRuns] = pairedDifferences(ways, metric, null);
    if (difference === null) return [];
    const blocks = (difference.basis === "learned" ? ofLearned : all).length;
    return [{ setting, level, against: levels[0], blocks, difference, allRuns }];
  });
}

/** The second of two levels minus the first, for each block of the others: [Map seed -> difference]. */
function pairedByBlock(data, runs, column, [first, second], others, metric) {
  const blocks = new Map();
  for (const run of runs) {
    const level = column.values[run];
    if (level !== first && level !== second) continue;
    const block = [...others.map((other) => other.values[run]), data.runs.images[run]].join(" ");
    if (!blocks.has(block)) blocks.set(block, new Map());
    const seeds = blocks.get(block);
    const seed = data.runs.seed[run];
    if (!seeds.has(seed)) seeds.set(seed, new Map([[first, []], [second, []]]));
    seeds.get(seed).get(level).push(metric.values[run]);
  }
  return [...blocks.values()]
    .map((seeds) => new Map([...seeds].filter(([, cell]) => cell.get(first).length && cell.get(second).length)
      .map(([seed, cell]) => [seed, mean(cell.get(second)) - mean(cell.get(first))])))
    .filter((seeds) => seeds.size > 0);
}

function meanOverBlocks(blocks) {
  const found = new Map();
  for (const seeds of blocks) {
    for (const [seed, difference] of seeds) {
      if (!found.has(seed)) found.set(seed, []);
      found.get(seed).push(difference);
    }
  }
  return [...found.values()].map(mean);
}

function corrected(effects) {
  const testable = effects.filter(({ difference }) => difference.p !== null && difference.gain.n >= SEEDS_FOR_A_VERDICT);
  const adjusted = holm(testable.map(({ difference }) => difference.p));
  const pValues = new Map(testable.map((effect, index) => [effect, adjusted[index]]));
  return effects.map((effect) => withPValue(effect, pValues.get(effect) ?? effect.difference.pAdjusted));
}

function withPValue(effect, pAdjusted) {
  return { ...effect, difference: { ...effect.difference, pAdjusted } };
}

/** Keep false claims below 5 % over rows and effects together when nothing differs. */
function controlErrorRate(overSeeds, effects, varying, rows, adjusted) {
  if (varying.length === 1 && effects.length) {
    const { column } = varying[0];
    const place = new Map(rows.map((row, index) => [column.values[row.runs[0]], index]));
    const same = effects.map((effect) => {
      const [low, high] = [place.get(effect.level), place.get(effect.against)].sort((one, other) => one - other);
      return withPValue(effect, adjusted.get(`${low} ${high}`) ?? effect.difference.pAdjusted);
    });
    return { overSeeds, effects: same };
  }
  const tested = effects.filter(({ difference }) => difference.pAdjusted !== null);
  if (tested.length && tested.every(({ difference }) => difference.pAdjusted > LEVEL)) {
    const notClaimed = (difference) => difference && (difference.pAdjusted === null ? difference : { ...difference, pAdjusted: 1 });
    return { overSeeds: overSeeds.map(([claimed, ofAll]) => [notClaimed(claimed), ofAll]), effects };
  }
  return { overSeeds, effects };
}

/** better, worse, alike or untested. */
export function standingOf(difference) {
  if (difference === null || difference.pAdjusted === null) return "untested";
  if (difference.pAdjusted > LEVEL || difference.contradicted) return "alike";
  return difference.gain.mean > 0 ? "better" : "worse";
}

function standingOfRow(overSeeds, row, models, singleReference) {
  if (overSeeds !== null && overSeeds.pAdjusted !== null) return standingOf(overSeeds);
  if (!singleReference || row.runs.length > 1) return "untested";
  const model = models.find((each) => each.run === row.runs[0]);
  return model === undefined ? "untested" : standingOf(model.difference);
}

/** The best run of each row against the first row's, by McNemar's test; only in accuracy, and where answers are here. */
function compareModels(data, best, metric) {
  const reference = data.answers?.of(best[0]);
  if (metric.name !== "test/accuracy" || reference === undefined) return [];
  const others = best.slice(1, MODELS_COMPARED).filter((run) => data.answers.of(run) !== undefined);
  const counts = others.map((run) => discordant(data.answers.of(run).right, reference.right));
  const adjusted = holm(counts.map(([onlyThis, onlyReference]) => mcNemarMidP(onlyThis, onlyReference)));
  return others.map((run, index) => {
    const [onlyThis, onlyReference] = counts[index];
    const gain = accuracyDifference(onlyThis, onlyReference, data.answers.images);
    const difference = { gain, p: mcNemarMidP(onlyThis, onlyReference), pAdjusted: adjusted[index], basis: "all", contradicted: false };
    return { run, difference, standing: standingOf(difference), onlyThis, onlyReference };
  });
}

function discordant(one, other) {
  let onlyOne = 0;
  let onlyOther = 0;
  for (let image = 0; image < one.length; image++) {
    if (one[image] > other[image]) onlyOne += 1;
    else if (one[image] < other[image]) onlyOther += 1;
  }
  return [onlyOne, onlyOther];
}
