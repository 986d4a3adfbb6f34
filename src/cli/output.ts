/**
 * What a command says: one JSON document, or text. Results go to standard output, all else to standard error. Colour and
 * progress are for terminals alone (`NO_COLOR` and `FORCE_COLOR` as Node takes them).
 */
import { styleText } from "node:util";
import type { Finding } from "../index.js";
import type { World } from "./io.js";

type Style = "bold" | "dim" | "red" | "green" | "yellow";

const DEFAULT_COLUMNS = 80;
const LABEL = 14;
const CLEAR_LINE = "\r\u001b[K";
/** Control characters, and those that turn the direction of text: a server's words should not command the terminal. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

export class Output {
  readonly json: boolean;
  readonly #world: World;
  #progress = false;
  #document: unknown;

  constructor(world: World, json: boolean) {
    this.#world = world;
    this.json = json;
  }

  /** Columns of the terminal that results go to. */
  get columns(): number {
    return this.#world.stdout.columns ?? DEFAULT_COLUMNS;
  }

  /** The one JSON document, where that was asked for. An error that comes after it takes its place. */
  document(value: unknown): void {
    this.#document = value;
  }

  /** Writes the document. */
  end(): void {
    if (this.json && this.#document !== undefined)
      this.#world.stdout.write(`${JSON.stringify(this.#document, undefined, 2)}\n`);
  }

  /** A line of the result. */
  line(text = "", style?: Style): void {
    this.#clearProgress();
    if (!this.json) this.#write(this.#world.stdout, text, style);
  }

  /** A named value of the result. */
  row(label: string, value: unknown): void {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    this.line(`${printable(label).padEnd(LABEL)} ${text}`);
  }

  /** ✓, ✗ or –, what was looked at, what was found, and what to do about it. */
  finding({ check, ok, found, remedy }: Finding): void {
    const [mark, style] =
      ok === null ? (["–", "dim"] as const) : ok ? (["✓", "green"] as const) : (["✗", "red"] as const);
    this.line(`${mark} ${check.padEnd(LABEL)} ${found}`, style);
    if (remedy !== undefined) this.line(`  ${" ".repeat(LABEL)} ${remedy}`, "yellow");
  }

  /** What is no result: for a human, on standard error. */
  note(text: string): void {
    this.#clearProgress();
    if (!this.json) this.#write(this.#world.stderr, text, "dim");
  }

  /** What somebody must read for the command to go on, whatever the form of the result. */
  prompt(text: string): void {
    this.#clearProgress();
    this.#write(this.#world.stderr, text, "bold");
  }

  /** A line that the next one replaces. */
  progress(text: string): void {
    const { stderr } = this.#world;
    if (this.json || !stderr.isTTY) return;
    stderr.write(CLEAR_LINE + printable(text).slice(0, (stderr.columns ?? DEFAULT_COLUMNS) - 1));
    this.#progress = true;
  }

  /** One line on standard error, or one document. */
  error(message: string, details: object): void {
    this.#clearProgress();
    if (this.json) this.document({ error: details });
    else this.#write(this.#world.stderr, `hardproof: ${message}`, "red");
  }

  #clearProgress(): void {
    if (this.#progress) this.#world.stderr.write(CLEAR_LINE);
    this.#progress = false;
  }

  #write(stream: World["stdout"], text: string, style: Style | undefined): void {
    const line = printable(text);
    stream.write(`${style === undefined ? line : styleText(style, line, { stream })}\n`);
  }
}

/** On one line, without anything that a terminal would obey. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, " ").trimEnd();
}
