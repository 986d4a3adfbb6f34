/** The parts of a manual page, in the macros of man(7). */

/** Returns text that roff prints as it is, on one line. */
export function roffText(text: string): string {
  const escaped = text
    .replace(/\s+/g, " ")
    .trim()
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("^", "\\(ha")
    .replaceAll("~", "\\(ti")
    .replaceAll('"', "\\(dq");
  return escaped.startsWith(".") ? `\\&${escaped}` : escaped;
}

/** Returns a section. */
export function roffSection(title: string, ...content: readonly string[]): string {
  return [`.SH ${roffText(title)}`, ...content].join("\n");
}

/** Returns a paragraph with a term in bold, and its description. */
export function roffTerm(term: string, description: string): string {
  return `.TP\n.B ${roffText(term)}\n${roffText(description)}`;
}

/** Returns lines that keep their breaks. */
export function roffLines(lines: readonly string[]): string {
  const kept = lines.map((line) => `${indentOf(line)}${roffText(line)}`);
  return [".PP", ".nf", ...kept, ".fi"].join("\n");
}

/** A line of roff that begins with a space would break the line. */
function indentOf(line: string): string {
  return "\\ ".repeat(line.length - line.trimStart().length);
}
