// How important is a setting: the share of the variance between runs that it explains by itself, with an interval.
// cnnexp/comparison/importance.py in the browser.

import { fTail, noncentralF } from "#noncentral";
import { holm, mean } from "#statistics";

const LEVEL = 0.04;
const TAIL = 0.025; // beyond each end of the interval
const MOST_LEVELS = 12; // more, as a search draws them, become quarters of the runs
const QUARTERS = 4;
const MOST_NONCENTRAL = 1e7;
const TINY = 1e-12;
const DEPENDENT = 1e-9; // of its length, what is left of a column that the others make up

/** The importance of each setting that varies, over all runs and over those that learned; no bars where all did. */
export function* importanceBothWays(comparison) {
  const { data, usable } = comparison;
  const learned = usable.filter((run) => data.runs.learned_nothing[run] === "");
  const all = yield* importanceOf(comparison, usable);
  if (learned.length === usable.length) return { all, learned: [] };
  const known = new Set(all.map(({ setting }) => setting));
  const ofLearned = yield* importanceOf(comparison, learned);
  return { all, learned: ofLearned.filter(({ setting }) => known.has(setting)) };
}

/** The largest share first, as ImportanceBar of the document has it; in steps. */
function* importanceOf(comparison, runs) {
  const { data, varying, metric } = comparison;
  const scores = runs.map((run) => metric.values[run]);
  const middle = mean(scores);
  const variance = mean(scores.map((score) => (score - middle) ** 2));
  if (comparison.refused || runs.length < 3 || variance <= TINY) return [];
  const codes = varying.map((setting) => codesOf(runs, setting));
  const found = [];
  for (const [place, { column }] of varying.entries()) {
    yield;
    const parts = overSeeds(data, runs, scores, codes, place) ?? (yield* overRuns(scores, codes, place));
    if (parts !== null) found.push({ setting: column.name, ...(yield* shareOf(parts, variance)) });
  }
  const adjusted = holm(found.map(({ p }) => p));
  return found
    .map((one, index) => ({ ...one, told_from_zero: adjusted[index] <= LEVEL }))
    .sort((one, other) => other.value - one.value);
}

/** The number of each run's level; of a number with many levels, that of its quarter. */
function codesOf(runs, { column, levels }) {
  let places = runs.map((run) => column.values[run]);
  const isNumeric = levels.every((level) => !Number.isNaN(Number(column.levels[level])));
  if (levels.length > MOST_LEVELS && isNumeric) {
    const order = runs.map((_, index) => index).sort((one, other) => places[one] - places[other] || one - other);
    const ranks = new Array(runs.length);
    order.forEach((index, rank) => (ranks[index] = Math.floor((rank * QUARTERS) / runs.length)));
    places = ranks;
  }
  const seen = new Map([...new Set(places)].sort((one, other) => one - other).map((level, code) => [level, code]));
  return places.map((level) => seen.get(level));
}

/** The parts of the variance with seeds as the unit; null where no two seeds have all levels with the others equal. */
function overSeeds(data, runs, scores, codes, place) {
  const count = Math.max(...codes[place]) + 1;
  const bySeed = new Map();
  runs.forEach((run, index) => {
    const seed = data.runs.seed[run];
    const block = codes.map((own, other) => (other === place ? "" : own[index])).join(" ");
    if (!bySeed.has(seed)) bySeed.set(seed, new Map());
    const blocks = bySeed.get(seed);
    if (!blocks.has(block)) blocks.set(block, new Map());
    const levels = blocks.get(block);
    const level = codes[place][index];
    if (!levels.has(level)) levels.set(level, []);
    levels.get(level).push(scores[index]);
  });
  const table = [];
  for (const blocks of bySeed.values()) {
    const whole = [...blocks.values()].filter((levels) => levels.size === count);
    if (whole.length) table.push(each(count, (level) => mean(whole.map((levels) => mean(levels.get(level))))));
  }
  if (count < 2 || table.length < 2) return null;
  const ofLevel = each(count, (level) => mean(table.map((line) => line[level])));
  const all = mean(ofLevel);
  let [explained, rest] = [0, 0];
  for (const value of ofLevel) explained += table.length * (value - all) ** 2;
  for (const line of table) {
    const ofSeed = mean(line);
    line.forEach((value, level) => (rest += (value - ofLevel[level] - ofSeed + all) ** 2));
  }
  const freedom = (count - 1) * (table.length - 1);
  const values = table.length * count;
  return { explained, levels: count - 1, error: rest / freedom, errorFreedom: freedom, values, unit: "seeds" };
}

function each(count, value) {
  return Array.from({ length: count }, (_, index) => value(index));
}

/** The parts with runs as the unit, beside all other settings; null where too few runs are there. */
function* overRuns(scores, codes, place) {
  const full = yield* fitted(scores, codes);
  const without = yield* fitted(
    scores,
    codes.filter((_, index) => index !== place),
  );
  const freedom = scores.length - full.rank;
  const levels = full.rank - without.rank;
  if (freedom < 1 || levels < 1) return null;
  const explained = without.residual - full.residual;
  return {
    explained,
    levels,
    error: full.residual / freedom,
    errorFreedom: freedom,
    values: scores.length,
    unit: "runs",
  };
}

/** Least squares on the levels of some settings: {rank, residual sum of squares}, by Gram and Schmidt. */
function* fitted(scores, codes) {
  const columns = [scores.map(() => 1)];
  for (const own of codes)
    for (let level = 1; level <= Math.max(...own); level++) columns.push(own.map((code) => Number(code === level)));
  const basis = [];
  const left = [...scores];
  for (const column of columns) {
    yield;
    const length = Math.sqrt(dot(column, column));
    for (let twice = 0; twice < 2; twice++) for (const one of basis) subtract(column, one, dot(column, one));
    const rest = Math.sqrt(dot(column, column));
    if (rest <= DEPENDENT * length) continue;
    const unit = column.map((value) => value / rest);
    basis.push(unit);
    subtract(left, unit, dot(left, unit));
  }
  return { rank: basis.length, residual: dot(left, left) };
}

function dot(one, other) {
  let sum = 0;
  for (let index = 0; index < one.length; index++) sum += one[index] * other[index];
  return sum;
}

function subtract(from, one, times) {
  for (let index = 0; index < from.length; index++) from[index] -= times * one[index];
}

/** The share of the variance of all scores: {value, low, high, p, unit}, p not corrected yet. */
function* shareOf(parts, variance) {
  const { explained, levels, error, errorFreedom, values, unit } = parts;
  if (error * errorFreedom <= TINY * Math.max(explained, TINY)) {
    const value = Math.min(1, explained / values / variance); // no chance is left to be seen
    const p = explained <= TINY ? 1 : 2 ** -errorFreedom;
    return { value, low: p < 1 ? value : 0, high: value, p, unit };
  }
  const ratio = explained / levels / error;
  const scale = error / values / variance; // from noncentrality to share
  const ends = [];
  for (const p of [1 - TAIL, TAIL]) ends.push((yield* noncentrality(ratio, parts, p)) * scale);
  const value = Math.max(0, (ratio - 1) * levels * scale);
  return {
    value: Math.min(1, value),
    low: Math.min(1, ends[0]),
    high: Math.min(1, Math.max(ends[1], value)),
    p: fTail(ratio, levels, errorFreedom),
    unit,
  };
}

/** The noncentrality under which a ratio up to `ratio` has the probability `p`; 0 where none is so small. */
function* noncentrality(ratio, { levels, errorFreedom }, p) {
  const below = (value) => noncentralF(ratio, levels, errorFreedom, value);
  if (below(0) <= p) return 0;
  let [low, high] = [0, 1];
  while (high < MOST_NONCENTRAL && below(high) > p) {
    [low, high] = [high, 4 * high];
    yield;
  }
  while (high - low > 1e-10 * high) {
    const middle = (low + high) / 2;
    if (below(middle) > p) low = middle;
    else high = middle;
    yield;
  }
  return high;
}
