/** Versions of TypeScript, strict and without `skipLibCheck`. */
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { installFromNpm } from "../interop/cache.js";
import { type InstalledPackage, installTarball } from "../tarball.js";
import type { Cell, Context } from "./cell.js";
import { run } from "./program.js";
import type { Row } from "./rows.js";

const NODE_TYPES = { 20: "20.19.43", 22: "22.20.5", 24: "24.19.2", 26: "26.6.6" } as const;
const PEERS = [
  "koffi",
  "graphene-pk11",
  "@aws-sdk/client-kms",
  "@google-cloud/kms",
  "@azure/keyvault-keys",
  "@azure/identity",
];
const STRICT =
  "--noEmit --strict --exactOptionalPropertyTypes --noUncheckedIndexedAccess --skipLibCheck false --types node";

const CORE = `
  import { DPoPProver, dpopFetch, OAuthClient, openSigner, type Signer } from "hardproof";
  import { MemorySigner } from "hardproof/memory";
  export async function call(url: string, clientSecret: string): Promise<number> {
    await using signer: Signer = await openSigner("memory:");
    const prover = await DPoPProver.create(signer);
    const client = await OAuthClient.discover("https://auth.example.com");
    const token = await client.clientCredentials({ dpopProver: prover, clientId: "agent", clientSecret });
    const response = await dpopFetch({ prover, token })(url);
    return response.status + MemorySigner.generate().constructor.length;
  }`;
const PROVIDERS = `
  import { KmsSigner } from "hardproof/aws-kms";
  import { AzureKeyVaultSigner } from "hardproof/azure-kv";
  import { GcpKmsSigner } from "hardproof/gcp-kms";
  import { Pkcs11Signer } from "hardproof/pkcs11";
  import { TpmSigner } from "hardproof/tpm";
  import { VaultSigner } from "hardproof/vault";
  export const signers = [KmsSigner, AzureKeyVaultSigner, GcpKmsSigner, Pkcs11Signer, TpmSigner, VaultSigner];`;
const DECLARATIONS = `
  import { DPoPProver, openSigner, KeySigner } from "hardproof";
  import { MemorySigner } from "hardproof/memory";
  export const open = (uri: string) => openSigner(uri);
  export const prove = async () => (await DPoPProver.create(MemorySigner.generate())).makeProof({ htm: "GET", htu: "https://a.example" });
  export abstract class MySigner extends KeySigner {}`;
const COMMON = `
  import { DPoPProver } from "hardproof";
  export = DPoPProver;`;

/** One compilation: the file, and the flags. */
interface Compilation {
  readonly row: Row;
  readonly file: string;
  readonly code: string;
  readonly flags: string;
  readonly types?: keyof typeof NODE_TYPES;
}

const lib = "--target es2022 --lib es2023,esnext.disposable";
const nodenext = `${lib} --module nodenext --moduleResolution nodenext`;
const bundler = `${lib} --module esnext --moduleResolution bundler`;
const dom =
  "--target es2022 --lib es2023,esnext.disposable,dom,dom.iterable --module nodenext --moduleResolution nodenext";
const versions = Object.keys(NODE_TYPES).map(Number) as (keyof typeof NODE_TYPES)[];
const COMPILATIONS: readonly Compilation[] = [
  { row: "`nodenext`", file: "core.mts", code: CORE, flags: nodenext },
  { row: "`node16`", file: "core.mts", code: CORE, flags: `${lib} --module node16 --moduleResolution node16` },
  { row: "`bundler`", file: "core.mts", code: CORE, flags: bundler },
  { row: "with DOM", file: "core.mts", code: CORE, flags: dom },
  { row: "providers and their packages", file: "providers.mts", code: PROVIDERS, flags: nodenext },
  {
    row: "declarations of your own",
    file: "own.mts",
    code: DECLARATIONS,
    flags: `${nodenext} --noEmit false --declaration --emitDeclarationOnly`,
  },
  { row: "CommonJS, `nodenext`", file: "common.cts", code: COMMON, flags: nodenext },
  ...versions.map(
    (types): Compilation => ({ row: `@types/node ${types}`, file: "core.mts", code: CORE, flags: nodenext, types }),
  ),
];

/** A version of TypeScript. */
export function typescript(version: string): Cell {
  const install = () => installFromNpm(`matrix/typescript-${version}`, [`typescript@${version}`]);
  return {
    title: "TypeScript",
    version,
    kind: "compiler",
    install,
    async run(context) {
      const tsc = join(await install(), "node_modules/.bin/tsc");
      for (const each of COMPILATIONS) await compile(tsc, each, context);
    },
  };
}

async function compile(
  tsc: string,
  { row, file, code, flags, types = 24 }: Compilation,
  context: Context,
): Promise<void> {
  const project = installTarball(context.tarball, file === "providers.mts" ? PEERS : []);
  try {
    await linkTypes(project, types);
    writeFileSync(join(project.directory, "package.json"), '{ "type": "module" }');
    writeFileSync(join(project.directory, file), code);
    const typeRoots = join(project.directory, "node_modules/@types");
    const args = `${STRICT} ${flags} --typeRoots ${typeRoots} ${file}`.split(" ");
    await context.check(row, () => run({ command: [tsc, ...args], cwd: project.directory }));
  } finally {
    project.remove();
  }
}

async function linkTypes({ directory }: InstalledPackage, types: keyof typeof NODE_TYPES): Promise<void> {
  const version = NODE_TYPES[types];
  const installed = await installFromNpm(`matrix/types-node-${version}`, [`@types/node@${version}`]);
  symlinkSync(join(installed, "node_modules/@types"), join(directory, "node_modules/@types"));
}
