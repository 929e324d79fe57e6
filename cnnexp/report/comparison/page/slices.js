// Parts of the test images by what they look like or belong to: where a model is weak, and where two differ.
// cnnexp/comparison/slices.py in the browser, for any two models.

import { element } from "#dom";
import { modelLabel, pairOf, seedsText } from "#pairs";
import { accuracyDifference, differenceOfShares, fisherExact, holm, mcNemarMidP } from "#statistics";
import { gainText, pText } from "#wording";

const LEVEL = 0.04;
const ACCURACY = { name: "test/accuracy", is_share: true };

/** The accuracy of a run in each part and outside of it: [{right, images, otherRight, otherImages, difference, p, pAdjusted}]. */
export function slicesOf(answers, run) {
  const { right } = answers.of(run);
  const all = right.reduce((sum, one) => sum + one, 0);
  const found = answers.parts.map(({ images }) => {
    const hits = images.reduce((sum, image) => sum + right[image], 0);
    const counts = [hits, images.length, all - hits, right.length - images.length];
    return {
      right: hits,
      images: images.length,
      otherRight: counts[2],
      otherImages: counts[3],
      difference: differenceOfShares(...counts),
      p: fisherExact(...counts),
    };
  });
  return adjusted(found);
}

/** How much better `run` is than `reference` in each part: [{gain, p, pAdjusted}]. */
export function sliceDifferences(answers, reference, run) {
  const [first, second] = [reference, run].map((each) => answers.of(each).right);
  const found = answers.parts.map(({ images }) => {
    const onlySecond = images.filter((image) => second[image] > first[image]).length;
    const onlyFirst = images.filter((image) => second[image] < first[image]).length;
    return { gain: accuracyDifference(onlySecond, onlyFirst, images.length), p: mcNemarMidP(onlySecond, onlyFirst) };
  });
  return adjusted(found);
}

function adjusted(found) {
  const pValues = holm(found.map(({ p }) => p));
  return found.map((one, index) => ({ ...one, pAdjusted: pValues[index] }));
}

/** The part in which a run is weakest, by its p. */
function weakest(answers, run) {
  const found = slicesOf(answers, run).map((one, index) => ({ ...one, label: answers.parts[index].label }));
  const isWeak = ({ right, images, otherRight, otherImages }) => right / images < otherRight / otherImages;
  const [first] = found.filter(isWeak).sort((one, other) => one.p - other.p);
  return first ? `weakest in ${first.label}, ${(first.right / first.images).toFixed(2)}` : "weaker in no part";
}

export function slicesView(data) {
  const head = element("thead");
  const body = element("tbody");
  const table = element(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "parts of the test images" },
    element("table", { class: "parts" }, head, body),
  );
  const note = element("p", { class: "quiet" });
  const update = (view) => {
    const pair = pairOf(view);
    const own = pair.map((run) => slicesOf(data.answers, run));
    const gains = sliceDifferences(data.answers, ...pair);
    const least = (index) => Math.min(own[0][index].p, own[1][index].p, gains[index].p);
    const order = data.answers.parts.map((_, index) => index).sort((one, other) => least(one) - least(other));
    note.textContent = `First: ${modelLabel(view, pair[0])}. Second: ${modelLabel(view, pair[1])}. Both are chosen above. p is corrected over all ${order.length} parts, intervals are for one part alone: one that excludes 0 is no claim. Bold is more than chance. ${seedsText(view, pair, (other) => weakest(data.answers, other))}`;
    const titles = ["part", "images", "first", "elsewhere", "p", "second", "elsewhere", "p", "second − first", "p"];
    head.replaceChildren(
      element(
        "tr",
        {},
        ...titles.map((title, index) => element("th", { scope: "col", class: index ? "n" : null }, title)),
      ),
    );
    body.replaceChildren(
      ...order.map((index) =>
        row(
          data.answers.parts[index],
          own.map((each) => each[index]),
          gains[index],
        ),
      ),
    );
  };
  return { node: element("div", {}, note, table), update };
}

function row({ label, images }, own, difference) {
  const cell = (text, pAdjusted = 1) => element("td", { class: pAdjusted <= LEVEL ? "n claimed" : "n" }, text);
  const scores = own.flatMap((one) => [
    cell((one.right / one.images).toFixed(2), one.pAdjusted),
    cell((one.otherRight / one.otherImages).toFixed(2)),
    cell(pText(one.pAdjusted), one.pAdjusted),
  ]);
  const gain = [
    cell(gainText(difference.gain, ACCURACY), difference.pAdjusted),
    cell(pText(difference.pAdjusted), difference.pAdjusted),
  ];
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: "name" }, label),
    cell(String(images.length)),
    ...scores,
    ...gain,
  );
}
