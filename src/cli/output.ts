/**
 * Writes what a command prints: text, or one JSON document. Results go to standard output, everything else to standard
 * error. Only terminals get colour and progress (`NO_COLOR` and `FORCE_COLOR` work as in Node).
 */
import { styleText } from "node:util";
import type { Finding } from "../index.js";
import type { Io } from "./io.js";

type Style = "bold" | "dim" | "red" | "green" | "yellow";

const DEFAULT_COLUMNS = 80;
const LABEL_WIDTH = 14;
const LINE_FEED = 0x0a;
const CLEAR_LINE = "\r\u001b[K";
/** Control characters, and those that change the direction of text: a server's text must not control the terminal. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** The output of one command. */
export class Output {
  readonly json: boolean;
  readonly #io: Io;
  #progress = false;
  /** Whether standard output ends within a line. A progress line would overwrite it. */
  #isWithinLine = false;
  #document: unknown;
  #isDocumentWritten = false;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.json = json;
  }

  /** The width of the terminal on standard output. */
  get columns(): number {
    return this.#io.stdout.columns || DEFAULT_COLUMNS;
  }

  /** Sets the document that `--json` prints. A later error replaces it. */
  document(value: unknown): void {
    this.#document = value;
  }

  /** Writes the document, unless one was written before, and ends the last line on a terminal, where the shell or npm would overwrite it. */
  end(): void {
    this.clearProgress();
    this.#endLine();
    if (!this.json || this.#document === undefined || this.#isDocumentWritten) return;
    this.#isDocumentWritten = true;
    this.#io.stdout.write(`${JSON.stringify(this.#document, undefined, 2)}\n`);
  }

  /** Writes one line of the result. */
  line(text = "", style?: Style): void {
    this.clearProgress();
    if (!this.json) this.#write(this.#io.stdout, text, style);
  }

  /** Writes bytes of the result unchanged. Resolves when the next ones can be written. */
  bytes(chunk: Uint8Array): Promise<void> {
    this.clearProgress();
    if (chunk.length > 0) this.#isWithinLine = chunk.at(-1) !== LINE_FEED;
    return new Promise((resolve) => this.#io.stdout.write(chunk, () => resolve()));
  }

  /** Writes a named value of the result. */
  row(label: string, value: unknown): void {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    this.line(`${printable(label).padEnd(LABEL_WIDTH)} ${text}`);
  }

  /** Writes a check: ✓, ✗ or –, its name, what was found and, on a second line, the remedy. */
  finding({ check, ok, found, remedy }: Finding): void {
    const [mark, style] =
      ok === null ? (["–", "dim"] as const) : ok ? (["✓", "green"] as const) : (["✗", "red"] as const);
    this.line(`${mark} ${check.padEnd(LABEL_WIDTH)} ${found}`, style);
    if (remedy !== undefined) this.line(`  ${" ".repeat(LABEL_WIDTH)} ${remedy}`, "yellow");
  }

  /** Writes additional information for the user to standard error. */
  note(text: string): void {
    this.clearProgress();
    if (!this.json) this.#write(this.#io.stderr, text, "dim");
  }

  /** Writes an instruction that the user must follow to standard error, even with `--json`. */
  prompt(text: string): void {
    this.clearProgress();
    this.#write(this.#io.stderr, text, "bold");
  }

  /** Writes a line that the next output replaces. */
  progress(text: string): void {
    const { stderr } = this.#io;
    if (this.json || !stderr.isTTY || this.#isWithinLine) return;
    stderr.write(CLEAR_LINE + printable(text).slice(0, (stderr.columns || DEFAULT_COLUMNS) - 1));
    this.#progress = true;
  }

  /** Writes an error as one line on standard error, or as the document if none was written. */
  error(message: string, details: object): void {
    this.clearProgress();
    if (this.json && !this.#isDocumentWritten) this.document({ error: details });
    else this.#write(this.#io.stderr, `hardproof: ${message}`, "red");
  }

  /** Removes the line of {@link progress}. */
  clearProgress(): void {
    if (this.#progress) this.#io.stderr.write(CLEAR_LINE);
    this.#progress = false;
  }

  #endLine(): void {
    if (this.#isWithinLine && this.#io.stdout.isTTY) this.#io.stdout.write("\n");
    this.#isWithinLine = false;
  }

  #write(stream: Io["stdout"], text: string, style: Style | undefined): void {
    this.#endLine();
    const line = printable(text);
    stream.write(`${style === undefined ? line : styleText(style, line, { stream })}\n`);
  }
}

/** Returns the text on one line, without characters that control a terminal. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, " ").trimEnd();
}
