/** The rows of the tables on docs/runtimes.md, and where their results are recorded. */

/** Each kind of cell has one table: its heading, and its rows in their order. */
export const TABLES = {
  runtime: {
    title: "Runtimes",
    rows: [
      "a key in memory",
      "a token and a request",
      "PKCS#11, koffi",
      "PKCS#11, graphene-pk11",
      "PKCS#11, `isolate`",
      "PKCS#11, your worker thread",
      "a wrong PIN is sent once",
      "AWS KMS",
      "Google Cloud KMS",
      "`hardproof show`",
      "`hardproof/testing`, `/softhsm`",
      '`require("hardproof")`',
    ],
  },
  bundler: {
    title: "Bundlers",
    rows: [
      "builds without optional packages",
      "a key in memory",
      "a token and a request",
      "PKCS#11, koffi",
      "PKCS#11, graphene-pk11",
      "a wrong PIN is sent once",
      "AWS KMS",
      "Google Cloud KMS",
      "PKCS#11, moved with the worker",
    ],
  },
  manager: {
    title: "Package managers",
    rows: ["a key in memory", "PKCS#11, koffi", "PKCS#11, graphene-pk11"],
  },
  compiler: {
    title: "TypeScript",
    rows: [
      "`nodenext`",
      "`node16`",
      "`bundler`",
      "with DOM",
      "providers and their packages",
      "declarations of your own",
      "CommonJS, `nodenext`",
      "@types/node 20",
      "@types/node 22",
      "@types/node 24",
      "@types/node 26",
    ],
  },
} as const;

/** The name of a table. */
export type Kind = keyof typeof TABLES;
/** A row of a table. */
export type Row = (typeof TABLES)[Kind]["rows"][number];
