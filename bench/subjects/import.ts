/** Time and memory of `import "hardproof"`, compared with the import of an empty package. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { startContender } from "../contender.js";
import { median } from "../median.js";
import { type Program, ProgramFailure, together } from "../program.js";
import { type Row, row } from "../row.js";
import type { Scale } from "../turns.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const beside = "an empty package";

interface Cost {
  milliseconds: number;
  megabytes: number;
  cpu: number;
}

/** Returns the rows of this subject. */
export async function measure(scale: Scale): Promise<Row[]> {
  const directory = installBoth();
  try {
    await using programs = await together({
      hardproof: startContender("import", ["hardproof", directory], { title: "import hardproof" }),
      empty: startContender("import", ["empty", directory], { title: "import empty" }),
    });
    const rounds: { hardproof: Cost; empty: Cost }[] = [];
    for (let round = 0; round < scale({ rounds: 21, milliseconds: 0 }).rounds; round++)
      rounds.push({ empty: await costOf(programs.empty), hardproof: await costOf(programs.hardproof) });
    return rowsOf(rounds);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function rowsOf(rounds: readonly { hardproof: Cost; empty: Cost }[]): Row[] {
  const extra = (unit: keyof Cost) => rounds.map(({ empty, hardproof }) => hardproof[unit] - empty[unit]);
  const details = (unit: keyof Cost) => {
    const [hardproof, empty] = (["hardproof", "empty"] as const).map((one) =>
      median(rounds.map((round) => round[one][unit])).toFixed(1),
    );
    return `${hardproof} beside ${empty}`;
  };
  const time = `${details("milliseconds")}; ${details("cpu")} ms CPU of the whole process`;
  return [
    row({ work: "import hardproof: time", beside, mark: { atMost: 15 } }, "ms", extra("milliseconds"), time),
    row(
      { work: "import hardproof: memory", beside, mark: { atMost: 5 } },
      "MB",
      extra("megabytes"),
      details("megabytes"),
    ),
  ];
}

/** Creates a directory whose `node_modules` has both packages. */
function installBoth(): string {
  const directory = mkdtempSync(join(tmpdir(), "hardproof-bench-"));
  const empty = join(directory, "node_modules", "empty");
  mkdirSync(empty, { recursive: true });
  writeFileSync(join(empty, "package.json"), '{"name":"empty","type":"module","exports":{".":"./index.js"}}');
  writeFileSync(join(empty, "index.js"), "");
  symlinkSync(root, join(directory, "node_modules", "hardproof"));
  return directory;
}

async function costOf(program: Program): Promise<Cost> {
  const response = await program.request("import");
  const [milliseconds = Number.NaN, megabytes = Number.NaN, cpu = Number.NaN] = response.split(" ").map(Number);
  if (Number.isNaN(cpu)) throw new ProgramFailure(`${program.title} answered "${response.slice(0, 200)}"`);
  return { milliseconds, megabytes, cpu };
}
