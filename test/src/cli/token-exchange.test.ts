/** `hardproof token --grant token_exchange` with oidc-provider. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type AuthorizationServer, authorizationServer } from "../../servers/authorization-server.js";
import { isOneLine, run } from "./run.js";

const directory = mkdtempSync(join(tmpdir(), "hardproof-exchange-"));
const key = `file://${directory}/dpop.pem`;
const subjectFile = join(directory, "subject");
const actorFile = join(directory, "actor");
let as: AuthorizationServer;
let env: Record<string, string>;
let subject: string;
let actor: string;
beforeAll(async () => {
  await run(["keygen", key]);
  as = await authorizationServer();
  env = {
    HARDPROOF_KEY: key,
    HARDPROOF_CLIENT_ID: as.client.clientId,
    HARDPROOF_CLIENT_SECRET: as.client.clientSecret,
  };
  const newToken = async () =>
    (await run(["token", "--issuer", as.issuer, "--scope", "read write"], { env })).out.trim();
  [subject, actor] = [await newToken(), await newToken()];
  writeFileSync(subjectFile, `${subject}\n`);
  writeFileSync(actorFile, `${actor}\n`);
});
afterAll(async () => {
  await as.close();
  rmSync(directory, { recursive: true });
});

const args = (...more: string[]) => ["token", "--issuer", as.issuer, "--grant", "token_exchange", ...more];
const lastForm = () => new URLSearchParams(as.requests.at(-1)?.body);
const TYPE = "urn:ietf:params:oauth:token-type:";

it("exchanges the token of HARDPROOF_SUBJECT_TOKEN for one with another audience and less scope", async () => {
  const withSubject = { env: { ...env, HARDPROOF_SUBJECT_TOKEN: subject } };
  const more = ["--audience", "https://downstream.example/", "--scope", "read"];
  const { code, out, err } = await run(args(...more), withSubject);
  expect(code).toBe(0);
  const claims = decodeJwt(out.trim());
  expect(claims).toMatchObject({ aud: "https://downstream.example/", scope: "read", for: as.client.clientId });
  expect(err).toContain(`bound to ${Object(claims.cnf).jkt}\n`);
  expect(out + err).not.toContain(subject);
});

it.each(["a file", "standard input"])("reads the subject token from %s", async (where) => {
  const { code } = await run(args("--subject-token-file", where === "a file" ? subjectFile : "-"), {
    env,
    stdin: `${subject}\n`,
  });
  expect(code).toBe(0);
  expect(lastForm().get("subject_token")).toBe(subject);
  expect(lastForm().get("subject_token_type")).toBe(`${TYPE}access_token`);
  expect(lastForm().has("actor_token")).toBe(false);
});

it.each(["a file", "the environment"])("sends an actor token from %s, and prints who acts as JSON", async (where) => {
  const source = where === "a file" ? ["--actor-token-file", actorFile] : [];
  const variables = where === "a file" ? {} : { HARDPROOF_ACTOR_TOKEN: actor };
  const { code, out, err } = await run(args("--subject-token-file", subjectFile, ...source, "--json"), {
    env: { ...env, ...variables },
  });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    issuedTokenType: `${TYPE}access_token`,
    actors: [{ sub: as.client.clientId }],
    expiresAt: expect.any(Number),
    refreshToken: null,
  });
  expect(lastForm().get("actor_token")).toBe(actor);
  for (const secret of [subject, actor, as.client.clientSecret]) expect(out + err).not.toContain(secret);
});

it("sends the token types, by their short names or as URIs", async () => {
  const types = ["--subject-token-type", "jwt", "--requested-token-type", "urn:example:type"];
  const more = [
    "--actor-token-file",
    actorFile,
    "--actor-token-type",
    "id_token",
    "--audience",
    "a",
    "--audience",
    "b",
  ];
  const { code, out, err } = await run(args("--subject-token-file", subjectFile, ...types, ...more), { env });
  expect(Object.fromEntries(lastForm())).toMatchObject({
    subject_token_type: `${TYPE}jwt`,
    actor_token_type: `${TYPE}id_token`,
    requested_token_type: "urn:example:type",
  });
  expect(lastForm().getAll("audience")).toEqual(["a", "b"]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toSatisfy(isOneLine);
});

it("reports a subject token that the server refuses, without repeating it", async () => {
  const refused = `${subject.slice(0, -8)}AAAAAAAA`;
  const { code, out, err } = await run(args("--json"), { env: { ...env, HARDPROOF_SUBJECT_TOKEN: refused } });
  expect(code).toBe(1);
  expect(JSON.parse(out).error).toMatchObject({ code: "refused", error: "invalid_grant" });
  expect(out + err).not.toContain(refused);
});

it.each<[string[], string]>([
  [[], "Pass the token to exchange with --subject-token-file, or set HARDPROOF_SUBJECT_TOKEN."],
  [["--subject-token-file", "/nowhere/hunter2"], "The subject token: the file can't be read (ENOENT)."],
  [["--subject-token-file", "-"], "The subject token: standard input is empty."],
  [["--actor-token-file", "/nowhere/hunter2"], "The actor token: the file can't be read (ENOENT)."],
  [["--subject-token-type", "hunter2"], "--subject-token-type must be one of access_token"],
  [["--requested-token-type", "hunter2"], "--requested-token-type must be one of access_token"],
])("ends with exit code 2 for an invalid command line: %j", async (more, problem) => {
  const { code, err } = await run(args(...more), { env });
  expect(code).toBe(2);
  expect(err).toContain(problem);
  expect(err).not.toContain("hunter2");
});
