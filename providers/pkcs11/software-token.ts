/** Recognises tokens that are programs, by the names that they report. A token that lies about its name isn't recognised. */

/** Some libraries set the flag of a hardware slot for them, and tpm2-pkcs11 does for every TPM. */
const SOFTWARE_TOKENS: readonly SoftwareToken[] = [
  { name: "SoftHSM", manufacturer: /^SoftHSM/ },
  { name: "NSS softoken", model: /^NSS \d/ },
  { name: "Kryoptic", manufacturer: /^Kryoptic/ },
  { name: "openCryptoki's Soft token", manufacturer: /^IBM/, model: /^(IBM )?Soft/ },
  { name: "software TPM (IBM SW TPM, such as swtpm)", model: /^SW +TPM/ },
  { name: "software TPM (Microsoft's TPM simulator)", model: /^xCG +fTPM/ },
];

interface SoftwareToken {
  readonly name: string;
  readonly manufacturer?: RegExp;
  readonly model?: RegExp;
}

/** Returns the name of the software, or `undefined` if the token doesn't say that it is one. */
export function softwareOf(token: { readonly manufacturer: string; readonly model: string }): string | undefined {
  const row = SOFTWARE_TOKENS.find(
    ({ manufacturer, model }) => (manufacturer?.test(token.manufacturer) ?? true) && (model?.test(token.model) ?? true),
  );
  return row?.name;
}
