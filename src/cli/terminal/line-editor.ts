/** Edits one line that isn't shown, from the bytes that a terminal in raw mode sends. */
import { StringDecoder } from "node:string_decoder";

/** What a key did. `edited` and `ignored` don't end the line. */
export type KeyPress = "edited" | "ignored" | "enter" | "end" | "interrupt";

const ESCAPE = "\u001b";
/** The end of a control sequence (ECMA-48 §5.4). */
const CSI_FINAL = /[@-~]/;
const PASTE_BEGIN = "[200~";
const PASTE_END = "[201~";

const DELETE_LAST = /.$/su;
const DELETE_WORD = /\S*\s*$/u;
const DELETE_ALL = /^.*$/su;
/** Backspace and Ctrl-H, Ctrl-W, Ctrl-U. */
const DELETIONS: Readonly<Record<string, RegExp>> = {
  "\u007f": DELETE_LAST,
  "\b": DELETE_LAST,
  "\u0017": DELETE_WORD,
  "\u0015": DELETE_ALL,
};

/** One line, as it is typed or pasted. */
export class LineEditor {
  readonly #decoder = new StringDecoder("utf8");
  #text = "";
  /** The control sequence that has begun, without the escape character. */
  #sequence: string | undefined;
  #isPasting = false;

  /** What was typed. */
  get text(): string {
    return this.#text;
  }

  /**
   * Applies bytes until one of them ends the line.
   *
   * @returns What the last key did, and the text after it.
   */
  apply(bytes: Uint8Array): { pressed: KeyPress; rest: string } {
    const characters = [...this.#decoder.write(Buffer.from(bytes))];
    let pressed: KeyPress = "edited";
    for (const [index, character] of characters.entries()) {
      const key = this.#press(character);
      if (key !== "edited") pressed = key;
      if (key !== "edited" && key !== "ignored") return { pressed: key, rest: characters.slice(index + 1).join("") };
    }
    return { pressed, rest: "" };
  }

  #press(character: string): KeyPress {
    if (this.#sequence !== undefined && !isControl(character))
      return this.#continueSequence(this.#sequence + character);
    this.#sequence = character === ESCAPE ? "" : undefined;
    if (character === ESCAPE) return "edited";
    if (character === "\u0003") return "interrupt";
    const isLineBreak = character === "\r" || character === "\n";
    if (this.#isPasting || !isControl(character)) return this.#insert(character);
    if (isLineBreak) return "enter";
    if (character === "\u0004") return this.#text === "" ? "end" : "enter";
    return this.#delete(character);
  }

  #insert(character: string): KeyPress {
    this.#text += character;
    return "edited";
  }

  #delete(character: string): KeyPress {
    const deleted = DELETIONS[character];
    if (deleted === undefined) return "ignored";
    this.#text = this.#text.replace(deleted, "");
    return "edited";
  }

  /** Only a paste changes the line: the cursor of a hidden line can't be moved. */
  #continueSequence(sequence: string): KeyPress {
    const isUnfinished = /^[[O]$/.test(sequence) || (sequence.startsWith("[") && !CSI_FINAL.test(sequence.slice(1)));
    this.#sequence = isUnfinished ? sequence : undefined;
    if (isUnfinished) return "edited";
    if (sequence === PASTE_BEGIN) this.#isPasting = true;
    if (sequence === PASTE_END) this.#isPasting = false;
    return sequence === PASTE_BEGIN || sequence === PASTE_END ? "edited" : "ignored";
  }
}

function isControl(character: string): boolean {
  return /\p{Cc}/u.test(character);
}
