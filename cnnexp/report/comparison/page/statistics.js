// Student's and McNemar's tests, their intervals, Holm's correction: cnnexp/comparison/paired.py in the browser.
// tests/test_comparison_page_statistics.py holds the two against each other.

const CONFIDENCE = 0.95;

const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

export function logGamma(x) {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x);
  let sum = 0.99999999999980993;
  LANCZOS.forEach((coefficient, index) => (sum += coefficient / (x + index)));
  const t = x + LANCZOS.length - 1.5;
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(t) - t + Math.log(sum);
}

/** The regularized incomplete beta function I_x(a, b), by Lentz's continued fraction. */
export function incompleteBeta(x, a, b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a);
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  const tiny = 1e-300;
  let c = 1;
  let d = 1 - ((a + b) * x) / (a + 1);
  d = 1 / (Math.abs(d) < tiny ? tiny : d);
  let fraction = d;
  for (let m = 1; m < 500; m++) {
    for (const step of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 + step * d;
      d = 1 / (Math.abs(d) < tiny ? tiny : d);
      c = 1 + step / c;
      if (Math.abs(c) < tiny) c = tiny;
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-15) break;
  }
  return front * fraction;
}

/** P(|T| > |t|) of Student's distribution. */
function twoSidedT(t, degrees) {
  return incompleteBeta(degrees / (degrees + t * t), degrees / 2, 0.5);
}

const quantiles = new Map();

/** The t that |T| exceeds with probability `level`. */
function tQuantile(degrees, level = 1 - CONFIDENCE) {
  const key = `${degrees} ${level}`;
  if (!quantiles.has(key))
    quantiles.set(
      key,
      solve((t) => twoSidedT(t, degrees) - level),
    );
  return quantiles.get(key);
}

/** The root of a falling function of t >= 0. */
function solve(falling) {
  let low = 0;
  let high = 1;
  while (falling(high) > 0) high *= 2;
  for (let step = 0; step < 200 && high - low > 1e-14 * high; step++) {
    const middle = (low + high) / 2;
    if (falling(middle) > 0) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

export function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The standard deviation with n - 1. */
function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - middle) ** 2, 0) / (values.length - 1));
}

/** Mean with Student's interval: {mean, low, high, n}; one value has no interval. */
export function tInterval(values, level = 1 - CONFIDENCE) {
  const n = values.length;
  const middle = mean(values);
  if (n < 2) return { mean: middle, low: null, high: null, n };
  const half = (tQuantile(n - 1, level) * deviation(values)) / Math.sqrt(n);
  return { mean: middle, low: middle - half, high: middle + half, n };
}

/** Mean with an interval that stays within `low` to `high`: Student's on the logit or log scale, carried back. */
export function meanInterval(values, low, high) {
  const plain = tInterval(values);
  if (plain.low === null || low === null) return plain;
  const { mean: middle, n } = plain;
  const half = (plain.high - plain.low) / 2;
  if (half === 0 || middle <= low || (high !== null && middle >= high))
    return { mean: middle, low: middle, high: middle, n };
  if (high === null) {
    const factor = Math.exp(half / (middle - low));
    return { mean: middle, low: low + (middle - low) / factor, high: low + (middle - low) * factor, n };
  }
  const width = high - low;
  const share = (middle - low) / width;
  const center = Math.log(share / (1 - share));
  const step = half / width / (share * (1 - share));
  const end = (sign) => low + width / (1 + Math.exp(-(center + sign * step)));
  return { mean: middle, low: end(-1), high: end(1), n };
}

/** The estimate with an interval that ends where no difference can be. */
export function clipped(estimate, widest) {
  if (estimate.low === null || widest === null) return estimate;
  return { ...estimate, low: Math.max(-widest, estimate.low), high: Math.min(widest, estimate.high) };
}

/** The two-sided p-value of Student's paired test; where all pairs differ by the same, the sign test's smallest. */
export function tPValue(differences) {
  const n = differences.length;
  const middle = mean(differences);
  const error = deviation(differences) / Math.sqrt(n);
  if (error <= 1e-12 * Math.max(Math.abs(middle), 1e-12)) return middle === 0 ? 1 : 2 ** (1 - n);
  return twoSidedT(middle / error, n - 1);
}

/** P-values after Holm 1979, in the order given. */
export function holm(pValues) {
  const order = pValues.map((_, index) => index).sort((one, other) => pValues[one] - pValues[other] || one - other);
  const adjusted = new Array(pValues.length);
  let largest = 0;
  order.forEach((index, rank) => {
    largest = Math.max(largest, Math.min(1, pValues[index] * (pValues.length - rank)));
    adjusted[index] = largest;
  });
  return adjusted;
}

/** Two-sided mid-p McNemar test: `b` images only the first model has right, `c` only the second. */
export function mcNemarMidP(b, c) {
  const n = b + c;
  const k = Math.min(b, c);
  if (n === 0) return 1;
  const equal = Math.exp(logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1) - n * Math.LN2);
  if (b === c) return 1 - 0.5 * equal;
  return 2 * incompleteBeta(0.5, n - k, k + 1) - equal;
}

const Z = 1.959963984540054; // 97.5 % of the normal distribution

/** Accuracy of the first model minus the second's on n images, with Bonett and Price's interval. */
export function accuracyDifference(b, c, n) {
  const first = (b + 1) / (n + 2);
  const second = (c + 1) / (n + 2);
  const half = Z * Math.sqrt((first + second - (first - second) ** 2) / (n + 2));
  return { mean: (b - c) / n, low: Math.max(-1, first - second - half), high: Math.min(1, first - second + half), n };
}

/** The q-quantile of sorted values, linear between them. */
export function quantile(sorted, q) {
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** Two-sided p of Fisher's exact test that two shares of counts are the same. */
export function fisherExact(hits, tries, otherHits, otherTries) {
  const all = hits + otherHits;
  const choose = (n, k) => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);
  const way = (k) => Math.exp(choose(tries, k) + choose(otherTries, all - k) - choose(tries + otherTries, all));
  const limit = way(hits) * (1 + 1e-9);
  let p = 0;
  for (let k = Math.max(0, all - otherTries); k <= Math.min(tries, all); k++) if (way(k) <= limit) p += way(k);
  return Math.min(1, p);
}

/** Share of right answers on some images minus that on others, with Newcombe's interval: comparison/unpaired.py. */
export function differenceOfShares(right, images, otherRight, otherImages) {
  const [share, other] = [right / images, otherRight / otherImages];
  const [low, high] = wilson(share, images);
  const [otherLow, otherHigh] = wilson(other, otherImages);
  const mean = share - other;
  return {
    mean,
    low: mean - Math.hypot(share - low, otherHigh - other),
    high: mean + Math.hypot(high - share, other - otherLow),
    n: Math.min(images, otherImages),
  };
}

function wilson(share, images) {
  const middle = (share + Z ** 2 / (2 * images)) / (1 + Z ** 2 / images);
  const half = (Z / (1 + Z ** 2 / images)) * Math.sqrt((share * (1 - share)) / images + Z ** 2 / (4 * images ** 2));
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}
