/** `hardproof show` with a key on SoftHSM, compared with `pkcs11-tool`, each from the start of its process to its end. */
import { fileURLToPath } from "node:url";
import { softHsm } from "hardproof/softhsm";
import { ensureInstalled } from "../../softhsm/install.js";
import { PKCS11_TOOL_DEPENDENCIES } from "../../test/tokens/index.js";
import { startContender } from "../contender.js";
import { together } from "../program.js";
import { figuresOf, type Row, timeRow } from "../row.js";
import { type Scale, takeTurns, turnOf } from "../turns.js";

const command = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** Returns the row of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  const { "pkcs11-tool": tool } = await ensureInstalled(PKCS11_TOOL_DEPENDENCIES);
  await using hsm = await softHsm({ label: "bench" });
  const { module, token, key, pin } = hsm;
  const env = { ...hsm.env, HARDPROOF_PIN: pin };
  const uri = `pkcs11:token=${token};object=${key.label}?module-path=${module}&pin-source=env:HARDPROOF_PIN`;
  const start = (title: string, ...args: string[]) => startContender("processes", args, { title, env });
  await using programs = await together({
    show: start("hardproof show", process.execPath, command, "show", "--key", uri),
    // What a program of Node takes without doing anything.
    empty: start("node", process.execPath, "--eval", "0"),
    tool: start(
      "pkcs11-tool",
      tool,
      "--module",
      module,
      "--token-label",
      token,
      "-O",
      "--login",
      "--pin",
      `env:HARDPROOF_PIN`,
    ),
  });
  const seen = await takeTurns(
    { show: turnOf(programs.show), empty: turnOf(programs.empty), tool: turnOf(programs.tool) },
    scale({ rounds: 9, milliseconds: 400 }),
  );
  const comparison = {
    work: "hardproof show on SoftHSM, whole process",
    beside: "pkcs11-tool -O --login",
    mark: { atMost: 4 },
  };
  const compared = timeRow(comparison, seen.show, seen.tool);
  return [{ ...compared, details: `${compared.details}; an empty program of Node ${figuresOf(seen.empty)}` }];
}
