// The hardest test images under the best run of each combination of settings: label, answers, how sure each model is.

import { button, choice, element, plural } from "#dom";
import { modelLabel } from "#pairs";

const SHOWN = 24;
const WORDS = {
  wrong: "hardest first",
  disagreement: "most disagreed about first",
  opened: "that one model gets wrong",
};
const ROWS = 6; // answers beside an image before the rest is folded

export function picturesView(data, state) {
  const bar = element("div", { class: "bar" });
  const list = element("div", { class: "hard" });
  const more = element("p", {});
  const note = element("p", { class: "quiet" });
  const node = element("div", {}, bar, note, list, more);
  let shown = SHOWN;
  const update = (view) => {
    const models = modelsOf(view);
    const opened = data.answers.of(view.state.opened) === undefined ? models[0] : view.state.opened;
    const order = view.state.pictures;
    bar.replaceChildren(
      choice(
        "images",
        Object.entries(WORDS),
        order,
        (pictures) => state.set({ pictures }),
      ),
      ...(order === "opened"
        ? [
            choice(
              "model",
              data.answers.runs.map((run) => [run, modelLabel(view, run)]),
              opened,
              (run) => state.set({ opened: Number(run) }),
            ),
          ]
        : []),
    );
    const images = order === "opened" ? mistakesOf(data, opened) : hardest(data, models, order);
    const shared = view.settings.filter((one) => !differs(one, models));
    const all = shared.length ? `, all with ${shared.map((one) => valueOf(one, models[0])).join(", ")}` : "";
    const isOne = view.groups.some(({ runs }) => runs.length > 1); // of the seeds of its settings
    const seeds = isOne ? `: one seed; others may get other images wrong, see them under "${WORDS.opened}"` : "";
    note.textContent = `${countText(data, images.length, models, order)} A model is the best run of a combination shown that learned${all}${seeds}.`;
    list.replaceChildren(
      ...images.slice(0, shown).map((image) => card(data, view, image, models, order === "opened" ? opened : null)),
    );
    more.replaceChildren(
      ...(images.length > shown
        ? [
            button(`Show ${Math.min(SHOWN, images.length - shown)} more`, () => {
              shown += SHOWN;
              update(view);
            }),
          ]
        : []),
    );
  };
  return { node, update };
}

/** Which images are here, and how many. */
function countText({ answers }, count, models, order) {
  const [wrong, all] = [plural(count, "image"), plural(models.length, "model")];
  if (order === "opened") return `${wrong} of ${answers.images} that this model gets wrong, the surest answers first.`;
  const some = models.length === 1 ? "the model gets" : `at least one of ${all} gets`;
  if (order === "wrong") return `${wrong} of ${answers.images} that ${some} wrong, those first that most get wrong.`;
  return `${wrong} of ${answers.images} that some of ${all} get right and others wrong, the evenest first.`;
}

/** The best run of each row whose answers are here; those that learned nothing only where there are no others. */
function modelsOf(view) {
  const { answers, runs } = view.data;
  const best = view.groups
    .map((group) =>
      group.row && answers.of(group.row.bestRun) ? group.row.bestRun : group.runs.find((run) => answers.of(run)),
    )
    .filter((run) => run !== undefined);
  const learned = best.filter((run) => runs.learned_nothing[run] === "");
  return [learned, best, answers.runs.slice(0, 1)].find(({ length }) => length > 0);
}

function hardest(data, models, order) {
  const right = models.map((run) => data.answers.of(run).right);
  const found = [];
  for (let image = 0; image < data.answers.images; image++) {
    const wrong = right.filter((own) => own[image] === 0).length / models.length;
    const hardness = order === "wrong" ? wrong : Math.min(wrong, 1 - wrong);
    if (hardness > 0) found.push([hardness, image]);
  }
  return found.sort((one, other) => other[0] - one[0] || one[1] - other[1]).map(([, image]) => image);
}

function mistakesOf(data, run) {
  const { right, confidence } = data.answers.of(run);
  return [...Array(data.answers.images).keys()]
    .filter((image) => !right[image])
    .sort((one, other) => confidence[other] - confidence[one]);
}

function card(data, view, image, models, opened) {
  const { class_names: names, labels, files, pictures } = data.answers;
  const label = names[labels[image]];
  const wrong = models.filter((run) => !data.answers.of(run).right[image]).length;
  const picture = pictures[image]
    ? element("img", { src: pictures[image], alt: `${label}: ${files[image]}`, width: 96, height: 96 })
    : element("span", { class: "missing" }, "no picture here");
  const lines = [...new Set([...(opened === null ? [] : [opened]), ...models])].map((run) =>
    answer(data, view, image, run, models),
  );
  const rest = lines.slice(ROWS);
  return element(
    "figure",
    { "data-image": image },
    picture,
    element(
      "figcaption",
      {},
      element("b", {}, label),
      ` · ${wrong} of ${models.length} wrong`,
      element("ul", {}, ...lines.slice(0, ROWS)),
      rest.length
        ? element("details", {}, element("summary", {}, `${rest.length} more`), element("ul", {}, ...rest))
        : null,
      element("small", {}, files[image]),
    ),
  );
}

function answer(data, view, image, run, models) {
  const { predicted, confidence, right } = data.answers.of(run);
  const said = data.answers.class_names[predicted[image]];
  const sure = `${Math.round((100 * confidence[image]) / 255)} %`;
  const isRight = right[image] === 1;
  const mark = element(
    "span",
    { class: isRight ? "right" : "wrong" },
    `${isRight ? "✓" : "✗"} ${said} (${sure})`,
  );
  return element(
    "li",
    {},
    mark,
    " ",
    element("span", { class: "of", title: modelLabel(view, run) }, levelsOf(view, run, models)),
  );
}

/** Such as dropout=0.3, batch_size=16: the settings in which the models differ; the note above the images has the others. */
function levelsOf(view, run, models) {
  const differing = view.settings.filter((one) => differs(one, [...models, run]));
  return differing.map((one) => valueOf(one, run)).join(", ") || view.data.runs.name[run];
}

function differs({ column }, models) {
  return models.some((run) => column.values[run] !== column.values[models[0]]);
}

function valueOf({ column }, run) {
  return `${column.short}=${column.texts[column.values[run]]}`;
}
