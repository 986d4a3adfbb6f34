/** A hidden line, from the bytes of a terminal in raw mode. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type KeyPress, LineEditor } from "../../../src/cli/terminal/line-editor.js";

/** Types a text, which arrives in pieces of these sizes. */
function typed(text: string, sizes: readonly number[] = [1000]): { pressed: KeyPress; line: string; rest: string } {
  const editor = new LineEditor();
  let bytes = Buffer.from(text);
  for (let turn = 0; ; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const { pressed, rest } = editor.apply(bytes.subarray(0, size));
    bytes = bytes.subarray(size);
    const ended = pressed !== "edited" && pressed !== "ignored";
    if (ended || bytes.length === 0) return { pressed, line: editor.text, rest: rest + bytes };
  }
}

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 });
const plain = fc.string({ unit: "binary" }).filter((text) => !/\p{Cc}|\p{Cs}/u.test(text));

describe("a hidden line", () => {
  it("is what was typed, in whatever pieces its bytes arrive", () => {
    fc.assert(
      fc.property(plain, sizes, (text, pieces) => {
        expect(typed(`${text}\r`, pieces)).toEqual({ pressed: "enter", line: text, rest: "" });
      }),
    );
  });

  it("is what was pasted, line breaks included, if the terminal marks the paste", () => {
    fc.assert(
      fc.property(plain, plain, sizes, (before, pasted, pieces) => {
        const text = `${before}\u001b[200~${pasted}\r\n\u001b[201~\r`;
        expect(typed(text, pieces)).toEqual({ pressed: "enter", line: `${before}${pasted}\r\n`, rest: "" });
      }),
    );
  });

  it("loses one character for each backspace", () => {
    const backspace = fc.constantFrom("\u007f", "\b");
    fc.assert(
      fc.property(plain, backspace, fc.nat(5), sizes, (text, key, count, pieces) => {
        const characters = [...text];
        const line = characters.slice(0, Math.max(characters.length - count, 0)).join("");
        expect(typed(`${text}${key.repeat(count)}\r`, pieces)).toMatchObject({ line });
      }),
    );
  });

  it.each([
    ["Ctrl-U deletes the line", "wrong\u0015right\r", "right"],
    ["Ctrl-W deletes the last word", "two words \u0017\r", "two "],
    ["a backspace in an empty line does nothing", "\u007f\u007fpin\r", "pin"],
    ["a line feed ends the line", "pin\n", "pin"],
    ["Ctrl-D ends a line that has characters", "pin\u0004", "pin"],
    ["arrow keys and function keys do nothing", "p\u001b[Di\u001bOHn\u001b[1;5C\u001b[15~\r", "pin"],
    ["a lone escape doesn't hide the end of the line", "pin\u001b\r", "pin"],
    ["an unfinished sequence doesn't hide the end of the line", "pin\u001b[1\r", "pin"],
  ])("%s", (_, text, line) => {
    expect(typed(text)).toMatchObject({ pressed: "enter", line });
  });

  it.each(["\u001b[A", "\t", "\u001a", "\u0000", "\u001ba"])("reports a key that it ignores: %j", (key) => {
    const editor = new LineEditor();
    expect(editor.apply(Buffer.from(`pin${key}`)).pressed).toBe("ignored");
    expect(editor.text).toBe("pin");
  });

  it("is interrupted by Ctrl-C, also within a paste or a sequence", () => {
    for (const text of ["pin\u0003", "\u001b[200~pin\u0003", "pin\u001b[\u0003"])
      expect(typed(text)).toMatchObject({ pressed: "interrupt" });
  });

  it("ends by Ctrl-D if it is empty", () => {
    expect(typed("\u0004")).toMatchObject({ pressed: "end", line: "" });
    expect(typed("a\u007f\u0004")).toMatchObject({ pressed: "end", line: "" });
  });

  it("leaves what follows it for the next line", () => {
    expect(typed("first\rsecond\r")).toEqual({ pressed: "enter", line: "first", rest: "second\r" });
  });
});
