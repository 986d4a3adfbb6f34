/** Keys whose token writes the curve as explicit parameters, as ykcs11 2.2 does for P-384: real ones, on SoftHSM. */
import { execFileSync } from "node:child_process";
import { listKeys, openSigner } from "hardproof";
import { type SoftHsm, softHsm } from "hardproof/softhsm";
import { afterAll, beforeAll, expect, it } from "vitest";

/** OpenSSL's name of the curve, and the algorithm that it signs with. */
const CURVES = [
  ["prime256v1", "ES256"],
  ["secp384r1", "ES384"],
  ["secp521r1", "ES512"],
] as const;
const FORMS = ["uncompressed", "compressed"] as const;
const KEYS = CURVES.flatMap(([curve, alg]) => FORMS.map((form) => ({ curve, alg, form, label: `${alg} ${form}` })));
const OTHER = { curve: "secp224r1", form: "uncompressed", label: "other" };

let hsm: SoftHsm;
let uriOf: (label: string) => string;
beforeAll(async () => {
  hsm = await softHsm({ label: "curves", pin: "1234" });
  process.env.CURVES_PIN = hsm.pin;
  uriOf = (label) =>
    `pkcs11:token=curves;object=${label.replace(" ", "%20")}?module-path=${hsm.module}&pin-source=env:CURVES_PIN`;
  generate([...KEYS, OTHER].map(({ curve, form, label }) => ({ label, parameters: explicitParameters(curve, form) })));
});
afterAll(() => hsm.close());

const explicitParameters = (curve: string, form: string) =>
  execFileSync(
    "openssl",
    ["ecparam", "-name", curve, "-param_enc", "explicit", "-conv_form", form, "-outform", "DER"],
    {
      stdio: "pipe",
    },
  ).toString("base64");

/** In a process of its own, because a library is initialised once per process. */
function generate(keys: readonly { label: string; parameters: string }[]): void {
  const script = `
    import graphene from "graphene-pk11";
    const [path, token, pin, keys] = process.argv.slice(1);
    const module = graphene.Module.load(path);
    module.initialize();
    const slots = module.getSlots(true);
    const slot = Array.from({ length: slots.length }, (_, index) => slots.items(index)).find((one) => one.getToken().label === token);
    const session = slot.open(graphene.SessionFlag.SERIAL_SESSION | graphene.SessionFlag.RW_SESSION);
    session.login(pin);
    for (const [index, { label, parameters }] of JSON.parse(keys).entries()) {
      const common = { token: true, label, id: Buffer.of(index + 1) };
      session.generateKeyPair(
        graphene.KeyGenMechanism.EC,
        { ...common, verify: true, paramsEC: Buffer.from(parameters, "base64") },
        { ...common, private: true, sensitive: true, extractable: false, sign: true },
      );
    }
    module.finalize();
  `;
  execFileSync(
    process.execPath,
    ["--input-type=module", "-e", script, hsm.module, hsm.token, hsm.pin, JSON.stringify(keys)],
    { stdio: "pipe" },
  );
}

it.each(KEYS)("signs with $alg by a key whose $form base point is part of its curve", async ({ label, alg }) => {
  await using signer = await openSigner(uriOf(label));
  expect(await signer.publicJwk()).toMatchObject({ alg });
  expect(await signer.sign(Buffer.from("x"))).toHaveLength({ ES256: 64, ES384: 96, ES512: 132 }[alg]);
});

it("lists them with their algorithm", async () => {
  const uris = await listKeys(`pkcs11:token=curves?module-path=${hsm.module}`, { pin: hsm.pin });
  const found = uris.flatMap((uri) => /object=(\w+)%20.*algorithm=(\w+)$/.exec(uri)?.slice(1).join() ?? []);
  expect(found.sort()).toEqual(KEYS.map(({ alg }) => `${alg},${alg}`).sort());
});

it("names a curve that no algorithm uses in few words", async () => {
  await using signer = await openSigner(uriOf(OTHER.label));
  await expect(signer.publicJwk()).rejects.toMatchObject({
    code: "wrong-key",
    message: expect.stringContaining("is an EC key on a curve with explicit parameters; use"),
  });
});
