/** The picture: a bar for each row, drawn so that all marks stand on one line. */
import type { Machine } from "./machine.js";
import { type Answer, formatMark, formatValue, type Row, sign, summary } from "./row.js";

const WIDTH = 1000;
const ROW = 38;
const TOP = 76;
const BARS = 470;
const MARK = BARS + 200;
const LONGEST = 300;
const COLOURS = { "✓": "#2f7d4f", "✗": "#c0392b", "–": "#8a8a8a" };

export function picture(on: Machine, answers: Answer[]): string {
  const height = TOP + answers.length * ROW + 30;
  const { cpu, cores, system, node, load, date, commit } = on;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    "<title>Hardproof, measured against its peers and limits</title>",
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(20, 28, `Hardproof: ${summary(answers)}`, 'font-size="18" font-weight="bold"'),
    text(20, 48, `${cpu}, ${cores} cores, ${system}, Node ${node}, load ${load}; ${commit}, ${date}`, 'fill="#666"'),
    text(MARK, TOP - 8, "the mark", 'fill="#666" text-anchor="middle" font-size="11"'),
    ...answers.map((answer, index) => drawRow(answer, TOP + index * ROW)),
    `<line x1="${MARK}" y1="${TOP}" x2="${MARK}" y2="${height - 30}" stroke="#333" stroke-dasharray="3 3"/>`,
    "</svg>",
  ].join("\n")}\n`;
}

function drawRow(answer: Answer, y: number): string {
  const colour = COLOURS[sign(answer)];
  if ("notMeasured" in answer) return text(20, y + 22, `${answer.subject}: not measured`, `fill="${colour}"`);
  const { what, against, value, mark, unit } = answer;
  return [
    text(20, y + 16, what),
    text(20, y + 30, `against ${against}`, 'fill="#666" font-size="11"'),
    bar(answer, y + 8, colour),
    text(
      BARS + LONGEST + 14,
      y + 22,
      `${sign(answer)} ${formatValue(value, unit)}`,
      `fill="${colour}" font-weight="bold"`,
    ),
    text(WIDTH - 20, y + 22, formatMark(mark, unit), 'fill="#666" text-anchor="end"'),
  ].join("\n");
}

/** One that would leave the picture ends open. */
function bar({ value, mark }: Row, y: number, colour: string): string {
  const [bound = 1] = Object.values(mark) as number[];
  const length = Math.max(2, ((MARK - BARS) * value) / bound);
  const shown = Math.min(length, LONGEST);
  const arrow = `<path d="M${BARS + shown} ${y} l8 10 l-8 10" fill="${colour}"/>`;
  const body = `<rect x="${BARS}" y="${y}" width="${shown.toFixed(1)}" height="20" fill="${colour}" fill-opacity="0.8"/>`;
  return length > LONGEST ? body + arrow : body;
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const escaped = content.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
