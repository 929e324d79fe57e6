// What each setting does: every level against the first, all other settings and the seed held, for the runs that are left.

import { element, keepHeight, plural } from "#dom";
import { SEEDS_FOR_A_VERDICT } from "#seeds";
import { gainText, MARKS, pText, unitText } from "#wording";

const MOST_LEVELS = 12; // of a setting: more, as a search draws them, are not compared one by one

export function differencesView() {
  const head = element("thead");
  const body = element("tbody");
  const note = element("p", { class: "quiet" });
  const region = { class: "scroll", tabindex: 0, role: "region", "aria-label": "differences between levels" };
  const node = element("div", {}, element("div", region, element("table", { class: "parts marked" }, head, body)), note);
  const update = ({ comparison, isWhole }) => {
    keepHeight(node, isWhole);
    const effects = comparison === null || comparison.refused ? [] : comparison.effects.filter(isShown);
    const both = effects.some(({ allRuns }) => allRuns !== null);
    const unit = comparison === null ? "" : unitText(comparison.metric);
    const gains = both ? [`gain of runs that learned, ${unit}`, "of all runs"] : [`gain, ${unit}`];
    const titles = ["", "setting", "against", ...gains, "seeds", "", "verdict"];
    head.replaceChildren(
      element("tr", {}, ...titles.map((title, index) => element("th", { scope: "col", class: numeric(index) }, title))),
    );
    body.replaceChildren(...effects.map((effect) => row(effect, comparison, both)));
    head.parentElement.hidden = effects.length === 0;
    note.textContent = noteOf(comparison, effects);
  };
  return { node, update };
}

function numeric(index) {
  return index === 3 || index === 4 ? "n" : null;
}

function isShown({ setting }) {
  return setting.levels.length <= MOST_LEVELS;
}

/** Where too few pairs learned, the gain is of all runs, and stands in their column. */
function row({ setting: { column }, level, against, difference, allRuns, standing }, { data, usable, metric }, both) {
  const all = gainText((allRuns ?? difference).gain, metric);
  const isOfLearned = usable.every(
    (run) => ![level, against].includes(column.values[run]) || data.runs.learned_nothing[run] === "",
  );
  const own = difference.basis === "learned" || isOfLearned ? gainText(difference.gain, metric) : "–";
  const cells = [
    MARKS[standing],
    `${column.short}=${column.texts[level]}`,
    column.texts[against],
    ...(both ? [own, all] : [all]),
    String(difference.gain.n),
    pText(difference.pAdjusted),
    verdictOf(difference, standing),
  ];
  return element(
    "tr",
    { class: standing },
    ...cells.map((text, index) => element("td", { class: numeric(index) }, text)),
  );
}

function verdictOf({ contradicted, gain }, standing) {
  if (standing === "better" || standing === "worse") return standing;
  if (standing === "untested") return `${plural(gain.n, "seed")}; a verdict needs ${SEEDS_FOR_A_VERDICT}`;
  return contradicted ? "no verdict: all runs point the other way" : "no difference shown";
}

function noteOf(comparison, effects) {
  if (comparison === null) return "No run shown can be compared.";
  if (comparison.refused) return "These runs were tested on different images.";
  const many = comparison.settings.filter(({ levels }) => levels.length > MOST_LEVELS).length;
  const drawn = many ? ` ${plural(many, "setting")} of many levels: see their importance.` : "";
  const says =
    "No difference shown is not no difference: the interval says what remains possible. An interval is for one difference alone; " +
    "p is corrected for all of the table (Holm), so an interval may exclude 0 where nothing is claimed.";
  if (effects.length) return `${says}${drawn}`;
  return `Nothing that differs in one setting alone.${drawn}`;
}
