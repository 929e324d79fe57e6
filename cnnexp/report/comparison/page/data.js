// The document of cnnexp/report/comparison/page_document.py, with columns found by name and answers decoded.

export function readData(document) {
  const settings = new Map(document.settings.map((setting) => [setting.name, setting]));
  const metrics = new Map(document.metrics.map((metric) => [metric.name, metric]));
  const count = document.runs.id.length;
  const place = new Map(document.runs.id.map((id, index) => [id, index]));
  return {
    ...document,
    settingNamed: settings,
    metricNamed: metrics,
    count,
    place,
    answers: readAnswers(document.answers),
  };
}

function readAnswers(answers) {
  if (answers === null) return null;
  const classes = (text) => (answers.bytes === 1 ? bytesOf(text) : new Uint16Array(bytesOf(text).buffer));
  const labels = classes(answers.labels);
  const decoded = new Map();
  const place = new Map(answers.runs.map((run, index) => [run, index]));
  /** Answers of a run: {predicted, confidence (0..255), right}, (images,) each; undefined where they are not here. */
  const of = (run) => {
    if (!place.has(run)) return undefined;
    if (!decoded.has(run)) {
      const predicted = classes(answers.predicted[place.get(run)]);
      const right = Uint8Array.from(predicted, (answer, image) => Number(answer === labels[image]));
      decoded.set(run, { predicted, confidence: bytesOf(answers.confidence[place.get(run)]), right });
    }
    return decoded.get(run);
  };
  const parts = answers.parts.map((part) => ({ ...part, images: membersOf(part.images, answers.images) }));
  return { ...answers, labels, of, parts };
}

/** The numbers of the images whose bit is set, the highest bit of a byte first. */
function membersOf(text, count) {
  const bytes = bytesOf(text);
  return [...Array(count).keys()].filter((image) => bytes[image >> 3] & (128 >> (image & 7)));
}

function bytesOf(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** A setting's level of a run, as recorded. */
export function levelOf(setting, run) {
  return setting.levels[setting.values[run]];
}

/** The value of a setting or metric on an axis: its number, the place of its level, or null. */
export function axisValue(column, run) {
  if (!("levels" in column)) return column.values[run];
  if (!column.numeric) return column.values[run];
  const value = Number(levelOf(column, run));
  return Number.isNaN(value) ? null : value; // a run without the setting
}

export function columnNamed(data, name) {
  return data.settingNamed.get(name) ?? data.metricNamed.get(name);
}

/** Rates, batch sizes, penalties: positive, and the largest at least eight times the smallest. */
export function spansDecades(values) {
  const known = values.filter((value) => value !== null);
  const low = Math.min(...known);
  return known.length > 1 && low > 0 && Math.max(...known) / low >= 8;
}
