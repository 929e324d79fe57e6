// The F distribution and the noncentral one, which intervals of importance invert.

import { incompleteBeta, logGamma } from "#statistics";

/** P(F > ratio). */
export function fTail(ratio, levels, error) {
  return incompleteBeta(error / (error + levels * ratio), error / 2, levels / 2);
}

/** P(F <= ratio) under a noncentrality: central ones of more degrees of freedom, weighted after Poisson. */
export function noncentralF(ratio, levels, error, noncentrality) {
  if (noncentrality === 0) return 1 - fTail(ratio, levels, error);
  const x = (levels * ratio) / (levels * ratio + error);
  const [half, b] = [noncentrality / 2, error / 2];
  const spread = 8 * Math.sqrt(half) + 30;
  const last = Math.ceil(half + spread);
  const first = Math.max(0, Math.floor(half - spread));
  // from the last term down, where every step adds: I_x(a, b) = I_x(a + 1, b) + x^a (1 - x)^b / (a B(a, b))
  let a = levels / 2 + last;
  let below = incompleteBeta(x, a, b);
  let weight = last * Math.log(half) - half - logGamma(last + 1); // logarithms: both ends may be far below 1e-308
  let step = a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a + 1) - logGamma(b);
  let sum = 0;
  for (let j = last; j >= first; j--) {
    sum += Math.exp(weight) * below;
    weight += Math.log(j / half);
    step -= Math.log((x * (a + b - 1)) / a);
    a -= 1;
    below += Math.exp(step);
  }
  return sum;
}
