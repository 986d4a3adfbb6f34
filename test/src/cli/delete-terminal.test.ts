/** The installed `hardproof delete` in a real terminal: what it asks, and what Ctrl-C and Ctrl-D do then. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { afterAll, beforeEach, expect, inject, it } from "vitest";
import { installTarball } from "../../tarball.js";
import { start, startInTerminal } from "./process.js";

const installed = installTarball(inject("tarball"), []);
const command = join(installed.directory, "node_modules/.bin/hardproof");
afterAll(() => installed.remove());

const path = join(installed.directory, "agent.pem");
const uri = `file://${path}`;
const [CTRL_C, CTRL_D] = ["\u0003", "\u0004"];
beforeEach(async () => {
  if (!existsSync(path)) await start(command, ["keygen", uri]).ended;
});

const answer = async (typed: string) => {
  const deletion = startInTerminal(command, ["delete", uri], 80);
  await deletion.until("Type its name to confirm: agent.pem");
  deletion.child.stdin?.write(typed);
  const { code, out } = await deletion.ended;
  return { code, out: stripVTControlCharacters(out), exists: existsSync(path) };
};

it("deletes the key after its name was typed", async () => {
  expect(await answer("agent.pem\n")).toMatchObject({
    code: 0,
    exists: false,
    out: expect.stringContaining("The key is deleted."),
  });
});

it.each([
  ["another name", "agent\n", 2, "That isn't the name of the key. Nothing was deleted."],
  ["Ctrl-D", CTRL_D, 2, "That isn't the name of the key. Nothing was deleted."],
  ["Ctrl-C", CTRL_C, 130, "Interrupted."],
])("deletes nothing after %s", async (_, typed, code, says) => {
  expect(await answer(typed)).toMatchObject({ code, exists: true, out: expect.stringContaining(says) });
});

it("shows the key's name and never the PIN of its URI, which is warned of once", async () => {
  const key = "pkcs11:token=agents;object=agent-7?module-path=/nowhere.so&pin-value=hunter2";
  const deletion = startInTerminal(command, ["delete", key], 80);
  await deletion.until("Type its name to confirm: agent-7");
  deletion.child.stdin?.write("agent-7\n");
  const { out } = await deletion.ended;
  expect(out.match(/warning: A pkcs11: URI contains the PIN itself/g)).toHaveLength(1);
  expect(out).not.toContain("hunter2");
});

it("needs --yes without a terminal", async () => {
  const { code, out, err } = await start(command, ["delete", uri]).ended;
  expect({ code, out, err }).toEqual({
    code: 2,
    out: "",
    err: "hardproof: Pass --yes to confirm that the key is to be deleted. Nothing was deleted.\n",
  });
  expect(await start(command, ["delete", uri, "--yes"]).ended).toMatchObject({ code: 0, out: `${uri}\n` });
  expect(existsSync(path)).toBe(false);
});
