/** The runtimes, bundlers, package managers and compilers, by the names for `npm run matrix`, in the order of the columns. */
import { esbuildCjs, esbuildEsm, rollup, vite, webpack } from "./bundler-commands.js";
import type { Cell } from "./cell.js";
import { typescript } from "./compilers.js";
import { bunInstall, npm, pnpm, yarn1, yarn4 } from "./managers.js";
import { next } from "./next.js";
import { bun, deno, node } from "./runtimes.js";

/** The cells. */
export const CELLS: Readonly<Record<string, Cell>> = {
  "node-20.19": node("20.19.0"),
  "node-22.12": node("22.12.0"),
  "node-22": node("22.23.3"),
  "node-24": node("24.21.0"),
  "node-26": node("26.10.0"),
  bun: bun("1.4.5"),
  deno: deno("2.9.6"),
  "esbuild-esm": esbuildEsm,
  "esbuild-cjs": esbuildCjs,
  rollup: rollup("4.68.8"),
  vite: vite("8.3.8"),
  webpack: webpack("5.113.0", "7.3.1"),
  "webpack-5.99": webpack("5.99.9", "6.0.1"),
  "next-turbopack": next("16.4.6", "turbopack"),
  "next-webpack": next("16.4.6", "webpack"),
  "npm-10": npm("10.9.9"),
  "npm-11": npm("11.21.2"),
  "npm-12": npm("12.2.1"),
  "pnpm-10": pnpm("10.34.9"),
  "pnpm-11": pnpm("11.28.11"),
  "pnpm-12": pnpm("12.21.0"),
  "yarn-1": yarn1("1.22.22"),
  "yarn-4-pnp": yarn4("4.18.1", "pnp"),
  "yarn-4": yarn4("4.18.1", "node-modules"),
  "install-bun": bunInstall("1.4.5"),
  "typescript-5.4": typescript("5.4.5"),
  "typescript-5.9": typescript("5.9.3"),
  "typescript-6": typescript("6.0.3"),
  "typescript-7": typescript("7.0.2"),
};
