// Numbers and sentences of a comparison: cnnexp/report/comparison/wording.py in the browser.

export const MARKS = { reference: "★", worse: "▼", better: "▲", alike: "≈", untested: "·" };
export const STANDINGS = {
  reference: "the reference",
  worse: "worse",
  better: "better",
  alike: "not distinguishable",
  untested: "not tested",
};

const NONE = 1e-9; // half an interval, within rounding
const LOPSIDED = 0.15; // of its half width, by which an interval may be off its middle and still be shown with ±

/** Such as 0.981 ± 0.003, the mean to the second digit of the interval; 0.99 [0.71, 1.00] where lopsided. */
export function valueText(estimate, metric) {
  const half = halfWidth(estimate);
  const digits = digitsOf(half, mostDigits(estimate, metric));
  if (half === null || half < NONE) return fixed(estimate.mean, digits); // seeds that tie say nothing of others
  if (Math.abs((estimate.low + estimate.high) / 2 - estimate.mean) <= LOPSIDED * half) {
    return `${fixed(estimate.mean, digits)} ± ${fixed(half, digits)}`;
  }
  const [mean, low, high] = [estimate.mean, estimate.low, estimate.high].map((value) =>
    fixed(value, Math.max(2, digits)),
  );
  return `${mean} [${low}, ${high}]`;
}

/** The mean alone, with as many digits as its interval leaves it. */
export function meanText(estimate, metric) {
  return fixed(estimate.mean, Math.max(2, digitsOf(halfWidth(estimate), mostDigits(estimate, metric))));
}

function mostDigits({ mean }, metric) {
  return metric.is_share || Math.abs(mean) < 10 ? 4 : 1;
}

/** Such as +0.80 ± 0.31; an asymmetric interval is written out. */
export function gainText(estimate, metric) {
  const half = halfWidth(estimate);
  const amount = (value) => amountText(value, metric, { signed: true, half });
  if (half === null || half < NONE) return amount(estimate.mean);
  if (Math.abs((estimate.low + estimate.high) / 2 - estimate.mean) < 1e-9) {
    return `${amount(estimate.mean)} ± ${amountText(half, metric, { half })}`;
  }
  return `${amount(estimate.mean)} [${amount(estimate.low)}, ${amount(estimate.high)}]`;
}

/** A difference without its unit: points for shares; `half` decides the digits. */
export function amountText(value, metric, { signed = false, half = null } = {}) {
  const factor = metric.is_share ? 100 : 1;
  const text = fixed(factor * value, digitsOf(half === null ? null : factor * half, metric.is_share ? 2 : 4));
  return signed && value >= 0 ? `+${text}` : text;
}

export function unitText(metric) {
  return metric.is_share ? "points" : `in ${shortMetric(metric.name)}`;
}

function shortMetric(name) {
  return name.slice(name.lastIndexOf("/") + 1);
}

export function pText(p) {
  if (p === null) return "";
  return p < 0.001 ? "p < 0.001" : `p = ${fixed(p, 3)}`;
}

function halfWidth({ low, high }) {
  return low === null || high === null ? null : (high - low) / 2;
}

function digitsOf(half, most) {
  if (half === null || half <= 0) return most;
  return Math.max(0, Math.min(most, 1 - Math.floor(Math.log10(half))));
}

/** The effect of one level of a setting, claimed. */
export function effectSentence({ setting: { column }, level, against, difference, standing, allRuns }, metric) {
  const { gain } = difference;
  const [gains, costs] = metric.is_share ? ["gains", "costs"] : ["improves by", "worsens by"];
  const half = halfWidth(gain);
  const spread = half === null ? "" : ` ± ${amountText(half, metric, { half })}`;
  const much = `${amountText(Math.abs(gain.mean), metric, { half })} ${unitText(metric)}${spread}`;
  const both = allRuns === null ? "" : `, of runs that learned; of all: ${gainText(allRuns.gain, metric)}`;
  const who = `${column.name}=${column.texts[level]} ${standing === "better" ? gains : costs} ${much}`;
  return `${who} against ${column.texts[against]} (n = ${gain.n}, ${pText(difference.pAdjusted)}${both}).`;
}

/** A computed number with so many digits, however it was added up; exact halves to the even digit, as Python rounds. */
function fixed(computed, digits) {
  const value = Number(computed.toPrecision(12));
  const exact = Math.abs(value).toFixed(digits + 30);
  const kept = exact.slice(0, exact.length - 30).replace(/\.$/, "");
  const isHalf = /^50*$/.test(exact.slice(-30));
  if (!isHalf || Number(kept.at(-1)) % 2) return value.toFixed(digits);
  return value < 0 ? `-${kept}` : kept;
}
