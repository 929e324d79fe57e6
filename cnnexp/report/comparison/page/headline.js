// The verdict as one sentence of at most 25 words: cnnexp/report/comparison/headline.py in the browser.

import { SEEDS_FOR_A_VERDICT } from "#seeds";
import { plural } from "#dom";
import { amountText, unitText, valueText } from "#wording";
import { MOST_SETTINGS, rowWords } from "#words";

const MOST_WORDS = 25;
const MOST_LEVELS = 4; // that are named
const CLAIMED = ["better", "worse"];

/** What the settings do, and how many runs learned nothing or failed. */
export function headline(data, runs, comparison) {
  const failures = failuresOf(data, runs, comparison);
  if (failures.nothing && !(enoughSeeds(comparison) || comparison.refused)) {
    for (const failure of failures.said) {
      const sentence = [failure, needs(comparison)].filter(Boolean).join("; ");
      if (isShort(sentence)) return finished(sentence);
    }
  }
  let shortest = "";
  for (const main of answers(comparison)) {
    for (const failure of failures.said) {
      const sentence = [main, failure].filter(Boolean).join("; ");
      if (isShort(sentence)) return finished(sentence);
      shortest = sentence;
    }
  }
  return finished(shortest.split(/\s+/).slice(0, MOST_WORDS).join(" "));
}

function isShort(sentence) {
  return sentence.split(/\s+/).length <= MOST_WORDS;
}

function finished(sentence) {
  return `${sentence[0].toUpperCase()}${sentence.slice(1)}.`;
}

function enoughSeeds({ rows }) {
  return rows.some(({ overSeeds }) => overSeeds !== null && overSeeds.pAdjusted !== null);
}

function fewestSeeds({ rows }) {
  return Math.min(...rows.map(({ seeds }) => seeds));
}

function needs(comparison) {
  if (comparison.rows.length === 1 || comparison.objective === null) return "";
  return `a verdict on scores needs ${SEEDS_FOR_A_VERDICT} seeds, not ${fewestSeeds(comparison)}`;
}

/** What is said of the scores, the fullest first, the shortest last. */
function* answers(comparison) {
  const { rows, metric } = comparison;
  if (comparison.refused) {
    yield "refused: these runs were tested on different images, so no setting is called best";
  } else if (rows.length === 1) {
    yield `one setting, nothing to compare it with: ${metric.name} ${valueText(rows[0].score, metric)}`;
    yield "one setting, nothing to compare it with";
  } else if (enoughSeeds(comparison)) {
    yield* overSeeds(comparison);
  } else {
    yield* withoutVerdict(comparison);
  }
}

function* overSeeds(comparison) {
  const claimed = claimedEffects(comparison);
  const turned = comparison.scoreInteractions.find(({ gainWith, gainWithout }) => gainWith * gainWithout < 0);
  if (turned !== undefined && (claimed.length === 0 || concerns(turned, claimed[0]))) {
    yield interactionWords(turned, comparison.metric);
    yield `what ${turned.setting.column.words} does depends on ${turned.other.column.words}`;
  } else if (claimed.length) yield* beats(claimed[0], comparison.metric);
  else if (comparison.rows.some(({ standing }) => CLAIMED.includes(standing))) yield* rowsDiffer(comparison);
  else yield* noDifference(comparison);
}

function concerns({ setting, other }, effect) {
  return [setting.column, other.column].includes(effect.setting.column);
}

/** The effects that are more than chance, the largest first. */
export function claimedEffects({ effects }) {
  const claimed = effects.filter(({ standing }) => CLAIMED.includes(standing));
  return claimed.sort((one, other) => Math.abs(other.difference.gain.mean) - Math.abs(one.difference.gain.mean));
}

function* beats({ setting: { column }, level, against, difference, standing }, metric) {
  const [won, lost] = standing === "worse" ? [against, level] : [level, against];
  const who = `${column.words} ${column.said[won]} beats ${column.said[lost]}`;
  const where = difference.basis === "learned" ? " among runs that learned" : "";
  const much = `by ${amount(Math.abs(difference.gain.mean), difference, metric)} ${unit(metric)}`;
  const half = halfOf(difference);
  const spread = half === null ? "" : `± ${amount(half, difference, metric)}, `;
  yield `${who} ${much}${where} (${spread}${plural(difference.gain.n, "seed")})`;
  yield `${who} ${much}${where}`;
  yield `${who}${where}`;
}

function halfOf({ gain }) {
  return gain.low === null ? null : (gain.high - gain.low) / 2;
}

function amount(value, difference, metric) {
  return amountText(value, metric, { half: halfOf(difference) });
}

function unit(metric) {
  return unitText(metric).replaceAll("_", " ");
}

function* rowsDiffer(comparison) {
  const { rows } = comparison;
  const [better, worse] = CLAIMED.map((standing) => rows.filter((row) => row.standing === standing).length);
  const others = rows.length - 1;
  if (better) {
    const said = `${better} of ${others} other settings did better on test than the best on validation`;
    yield `${said}, ${rowWords(comparison, rows[0])}`;
    yield said;
  } else {
    yield `${rowWords(comparison, rows[0])} beats ${worse} of ${plural(others, "other setting")}`;
    yield `the best of ${rows.length} settings on validation beats ${worse} of ${others} others`;
  }
}

function* noDifference({ rows, settings }) {
  const differences = rows.map((row) => row.overSeeds).filter((difference) => difference !== null);
  const where = differences.some(({ basis }) => basis === "learned") ? " among runs that learned" : "";
  const counts = differences.filter(({ pAdjusted }) => pAdjusted !== null).map(({ gain }) => gain.n);
  const seeds = plural(Math.min(...counts), "seed");
  const tested = rows.filter(({ standing }) => standing !== "untested");
  yield `no difference shown ${between(settings, tested)}${where} (${seeds})`;
  yield `no difference shown between ${tested.length} settings${where} (${seeds})`;
}

function between(settings, tested) {
  if (settings.length === 1) {
    const [{ column, levels: all }] = settings;
    const those = new Set(tested.map((row) => column.values[row.runs[0]]));
    const levels = all.filter((level) => those.has(level));
    if (levels.length > MOST_LEVELS) return `between ${levels.length} values of ${column.words}`;
    return `between ${column.words} ${and(levels.map((level) => column.said[level]))}`;
  }
  if (settings.length > MOST_SETTINGS) return `for any of ${settings.length} settings`;
  return `for ${and(settings.map(({ column }) => column.words))}`;
}

function and(words) {
  return [words.slice(0, -1).join(", "), words.at(-1)].filter(Boolean).join(" and ");
}

function* withoutVerdict(comparison) {
  const { rows, models, objective } = comparison;
  const needed = `a verdict needs ${SEEDS_FOR_A_VERDICT} seeds, not ${fewestSeeds(comparison)}`;
  if (rows.length === 2 && models.length === 1 && rows[0].runs.length === 1) {
    for (const said of modelsDiffer(comparison)) {
      if (objective !== null) yield `${said}; about settings ${needed}`;
      yield said;
    }
  }
  const best = rowWords(comparison, rows[0]);
  if (objective === null) {
    const changed = rows.filter(({ standing }) => CLAIMED.includes(standing)).length;
    yield `${changed} of ${plural(rows.length - 1, "row")} differ from ${best} on these images`;
    yield `${changed} of ${plural(rows.length - 1, "row")} differ from the reference on these images`;
  } else {
    yield `${best} is best on validation; ${needed}`;
    yield `one of ${rows.length} settings is best on validation; ${needed}`;
  }
}

function* modelsDiffer(comparison) {
  const {
    rows,
    metric,
    settings,
    models: [model],
  } = comparison;
  let [one, another] = [rows[1], rows[0]].map((row) => rowWords(comparison, row));
  let beaten = rows[0];
  if (model.standing === "worse") [one, another, beaten] = [another, one, rows[1]];
  if (settings.length === 1) {
    const [{ column }] = settings;
    another = column.said[column.values[beaten.runs[0]]];
  }
  if (model.standing === "alike") {
    yield `on these images no difference shown between ${one} and ${another}`;
    yield "on these images no difference shown";
    return;
  }
  const much = `by ${amount(Math.abs(model.difference.gain.mean), model.difference, metric)} ${unit(metric)}`;
  yield `on these images ${one} beats ${another} ${much}`;
  yield `on these images one setting beats the other ${much}`;
}

/** What is said of runs that learned nothing or failed, the fullest first: {nothing, said}. */
function failuresOf(data, runs, { counted, byLevel, failureInteractions }) {
  const broken = runs.filter((run) => ["failed", "killed"].includes(data.runs.status[run])).length;
  const failed = broken ? `${broken} of ${plural(runs.length, "run")} failed` : "";
  const all = counted(runs);
  if (!all.nothing) return { nothing: 0, said: [failed] };
  const alone = byLevel.find(({ others }) => others.nothing === 0);
  const said = [
    ...failureInteractions.slice(0, 1).map(failsWith),
    ...(alone ? [made(levelWords(alone.column, alone.level), alone.own)] : []),
    `${all.nothing} of ${plural(all.tried, "run")} learned nothing`,
  ];
  return { nothing: all.nothing, said: said.map((text) => (failed ? `${text}, ${failed}` : text)) };
}

function failsWith({ setting, level, other, failsWith: levels, nothing, tried }) {
  const others = and(levels.map((each) => other.column.said[each]));
  return made(`${levelWords(setting.column, level)} with ${other.column.words} ${others}`, { nothing, tried });
}

/** Such as "rate 0.01 fails with batch size 16 (3 of 6 runs learned nothing), not with 64 (0 of 6 runs)". */
export function failureWords({ setting, level, other, failsWith: levels, nothing, tried, notWith }) {
  const group = (those, counts) =>
    `${and(those.map((each) => other.column.said[each]))} (${counts.nothing} of ${plural(counts.tried, "run")}`;
  const [fails, learns] = [group(levels, { nothing, tried }), group(notWith.levels, notWith)];
  return `${levelWords(setting.column, level)} fails with ${other.column.words} ${fails} learned nothing), not with ${learns})`;
}

function made(what, { nothing, tried }) {
  return `${what} made ${nothing} of ${plural(tried, "run")} learn nothing`;
}

function levelWords(column, level) {
  return `${column.words} ${column.said[level]}`;
}

/** Such as "dropout 0.3 gains 5.0 points with model vgg but loses 2.0 with small (5 seeds)". */
export function interactionWords(one, metric) {
  const gains = [one.gainWith, one.gainWithout];
  const verbs = gains.map((gain) => (gain >= 0 ? "gains" : "loses"));
  const amounts = gains.map((gain) => amount(Math.abs(gain), one.difference, metric));
  const joined = verbs[0] === verbs[1] ? "and" : "but";
  const { column } = one.other;
  const seeds = plural(one.difference.gain.n, "seed");
  return (
    `${levelWords(one.setting.column, one.level)} ${verbs[0]} ${amounts[0]} ${unit(metric)} with ` +
    `${levelWords(column, one.otherLevel)} ${joined} ${verbs[1]} ${amounts[1]} with ${column.said[one.otherAgainst]} (${seeds})`
  );
}
