/** Draws the results as an SVG image: one bar per row, scaled so that the targets of all rows are on one line. */
import type { Machine } from "./machine.js";
import { formatTarget, formatValue, mark, type Result, type Row, summary } from "./row.js";

const WIDTH = 1000;
const ROW_HEIGHT = 38;
const TOP = 76;
const BARS_X = 470;
const TARGET_X = BARS_X + 200;
const MAX_LENGTH = 300;
const COLOURS = { "✓": "#2f7d4f", "✗": "#c0392b", "–": "#8a8a8a" };

/** Returns the SVG document. */
export function chart(machine: Machine, results: Result[]): string {
  const height = TOP + results.length * ROW_HEIGHT + 30;
  const { cpu, cores, system, node, load, date, commit } = machine;
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="Helvetica, Arial, sans-serif" font-size="13">`,
    "<title>Hardproof's benchmark results and their targets</title>",
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    text(20, 28, `Hardproof: ${summary(results)}`, 'font-size="18" font-weight="bold"'),
    text(20, 48, `${cpu}, ${cores} cores, ${system}, Node ${node}, load ${load}; ${commit}, ${date}`, 'fill="#666"'),
    text(TARGET_X, TOP - 8, "target", 'fill="#666" text-anchor="middle" font-size="11"'),
    ...results.map((result, index) => drawRow(result, TOP + index * ROW_HEIGHT)),
    `<line x1="${TARGET_X}" y1="${TOP}" x2="${TARGET_X}" y2="${height - 30}" stroke="#333" stroke-dasharray="3 3"/>`,
    "</svg>",
  ].join("\n")}\n`;
}

function drawRow(result: Result, y: number): string {
  const colour = COLOURS[mark(result)];
  if ("notMeasured" in result) return text(20, y + 22, `${result.subject}: not measured`, `fill="${colour}"`);
  const { name, reference, value, target, unit } = result;
  return [
    text(20, y + 16, name),
    text(20, y + 30, `reference: ${reference}`, 'fill="#666" font-size="11"'),
    bar(result, y + 8, colour),
    text(
      BARS_X + MAX_LENGTH + 14,
      y + 22,
      `${mark(result)} ${formatValue(value, unit)}`,
      `fill="${colour}" font-weight="bold"`,
    ),
    text(WIDTH - 20, y + 22, formatTarget(target, unit), 'fill="#666" text-anchor="end"'),
  ].join("\n");
}

/** Draws an arrow at the end of a bar that is longer than the chart. */
function bar({ value, target }: Row, y: number, colour: string): string {
  const [limit = 1] = Object.values(target) as number[];
  const length = Math.max(2, ((TARGET_X - BARS_X) * value) / limit);
  const visible = Math.min(length, MAX_LENGTH);
  const arrow = `<path d="M${BARS_X + visible} ${y} l8 10 l-8 10" fill="${colour}"/>`;
  const body = `<rect x="${BARS_X}" y="${y}" width="${visible.toFixed(1)}" height="20" fill="${colour}" fill-opacity="0.8"/>`;
  return length > MAX_LENGTH ? body + arrow : body;
}

function text(x: number, y: number, content: string, attributes = ""): string {
  const escaped = content.replace(/[&<>]/g, (character) => `&#${character.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
