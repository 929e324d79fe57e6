// Is this setting better? Paired over seeds, counted in two ways: cnnexp/comparison/seeds.py in the browser.

import { bySeed } from "#design";
import { clipped, holm, tInterval, tPValue } from "#statistics";

export const SEEDS_FOR_A_VERDICT = 5;

export function signOf(metric) {
  return metric.lower_is_better ? -1 : 1;
}

/** A row's score under each seed: {all} of the runs that finished, {learned} of those that learned. */
export function scoresOf(data, runs, metric, learned) {
  return {
    all: bySeed(data, runs, metric.values),
    learned: bySeed(
      data,
      runs.filter((run) => learned.has(run)),
      metric.values,
    ),
  };
}

/** Row minus reference under each seed that both have, counted in both ways. */
export function bothWays(row, reference) {
  const paired = (way) =>
    [...row[way]].filter(([seed]) => reference[way].has(seed)).map(([seed, score]) => score - reference[way].get(seed));
  return { all: paired("all"), learned: paired("learned") };
}

/** Holm-adjusted tests of pairs of rows with at least five seeds in common: "i j" -> p; in steps. */
export function* adjustedPValues(scores, isRanked) {
  const keys = [];
  const pValues = [];
  const enough = scores.flatMap((own, index) => (own.all.size >= SEEDS_FOR_A_VERDICT ? [index] : []));
  for (const [place, i] of enough.entries()) {
    if (!isRanked && i !== 0) break;
    yield;
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
export function pairedDifferences({ all, learned }, metric, pAdjusted) {
  const ofAll = pairedDifference(all, metric, pAdjusted);
  const areEqual = all.length === learned.length && all.every((value, index) => value === learned[index]);
  const isOverLearned =
    !areEqual && learned.length > 0 && (learned.length >= SEEDS_FOR_A_VERDICT || all.length < SEEDS_FOR_A_VERDICT);
  if (!isOverLearned || ofAll === null) return [ofAll, null];
  const claimed = pairedDifference(learned, metric, pAdjusted);
  const contradicted = claimed.gain.mean * ofAll.gain.mean < 0;
  return [
    { ...claimed, basis: "learned", contradicted },
    { ...ofAll, pAdjusted: null },
  ];
}

function pairedDifference(differences, metric, pAdjusted) {
  if (differences.length === 0) return null;
  const gains = differences.map((value) => signOf(metric) * value);
  const gain = clipped(tInterval(gains), metric.low === null || metric.high === null ? null : metric.high - metric.low);
  return { gain, p: gains.length < 2 ? null : tPValue(gains), pAdjusted, basis: "all", contradicted: false };
}
