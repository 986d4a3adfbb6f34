/**
 * Compares Hardproof's verdict on each signature of Project Wycheproof with the project's own. A key store that returns
 * the signature stands behind a signer, so a signature passes through what every store's passes through: the import of
 * the public key, the conversion of DER, the range of r and s, and the verification.
 *
 * Run it with `npm run wycheproof`. It exits with 1 if a verdict differs, or the vectors aren't available.
 */
import { KeySigner, type KeySource, SignerError } from "hardproof";
import { algorithmNamed } from "hardproof/provider";
import {
  readVectors,
  VECTOR_FILES,
  type Vector,
  VectorError,
  type VectorFile,
  type VectorGroup,
} from "./wycheproof-vectors.js";

const COLUMNS = ["file", "alg", "form", "valid", "invalid", "acceptable", "differ"] as const;
type Row = Record<(typeof COLUMNS)[number], string | number>;

function bytes(hex: string): Buffer {
  return Buffer.from(hex, "hex");
}

/** A store whose key signs with what `current` returns. */
function store({ form }: VectorFile, { publicKeyDer }: VectorGroup, current: () => Vector): KeySource {
  return {
    provider: "wycheproof",
    uri: "wycheproof:key",
    open: () => ({
      publicKey: bytes(publicKeyDer),
      signMessage: () => ({ signature: bytes(current().sig), form }),
      describe: () => ({ protection: "unknown", exportable: "unknown", evidence: {} }),
      close: () => undefined,
    }),
  };
}

/** Returns the vectors of one public key whose verdict differs. */
async function differing(file: VectorFile, group: VectorGroup): Promise<Vector[]> {
  let current = group.tests[0] as Vector;
  await using signer = new KeySigner(
    store(file, group, () => current),
    { algorithm: file.alg },
  );
  const found: Vector[] = [];
  for (const vector of group.tests) {
    current = vector;
    const verdict = (await accepts(signer, vector)) ? "valid" : "invalid";
    if (![verdict, "acceptable"].includes(expected(vector))) found.push(vector);
  }
  return found;
}

/** A signature with a context isn't valid in a JWS, whose context is empty (RFC 9964). */
function expected({ ctx = "", result }: Vector): Vector["result"] {
  return ctx === "" ? result : "invalid";
}

/** The public key of some vectors has a wrong length, so that no signature can be its own. */
const REJECTIONS: readonly string[] = ["integrity", "wrong-key"];

async function accepts(signer: KeySigner, { msg }: Vector): Promise<boolean> {
  try {
    await signer.sign(bytes(msg));
    return true;
  } catch (error) {
    if (error instanceof SignerError && REJECTIONS.includes(error.code)) return false;
    throw error;
  }
}

async function check(file: VectorFile): Promise<Row> {
  const groups = await readVectors(file);
  const results = groups.flatMap(({ tests }) => tests).map(expected);
  const count = (result: Vector["result"]) => results.filter((each) => each === result).length;
  const found = (await Promise.all(groups.map((group) => differing(file, group)))).flat();
  for (const { tcId, comment, result } of found)
    console.log(`${file.name} ${tcId}: ${comment}: Wycheproof says ${result}, Hardproof doesn't.`);
  const [valid, invalid, acceptable] = [count("valid"), count("invalid"), count("acceptable")];
  return { file: file.name, alg: file.alg, form: file.form, valid, invalid, acceptable, differ: found.length };
}

/** Returns why this version of Node can't verify a file's signatures. */
function reasonAgainst({ alg }: VectorFile): string | undefined {
  try {
    algorithmNamed(alg);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

async function checkAll(): Promise<boolean> {
  const rows: Row[] = [];
  for (const file of VECTOR_FILES) {
    const unavailable = reasonAgainst(file);
    if (unavailable === undefined) rows.push(await check(file));
    else console.log(`${file.name} is left out. ${unavailable}`);
  }
  console.table(rows, [...COLUMNS]);
  return rows.every(({ differ }) => differ === 0);
}

const agrees = await checkAll().catch((error) => {
  if (!(error instanceof VectorError)) throw error;
  console.error(error.message);
  return false;
});
process.exitCode = agrees ? 0 : 1;
