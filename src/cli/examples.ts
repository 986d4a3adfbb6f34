/** Examples of each command, and of each store's URI, for the help and the manual page. At most 78 columns. */

/** A key's URI of each store. */
export const KEY_URI_EXAMPLES: readonly string[] = [
  "pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:HSM_PIN",
  "tpm:token=agents;object=dpop?pin-source=env:TPM_PIN",
  "awskms:///alias/dpop?region=eu-central-1",
  "azurekms://my-vault.vault.azure.net/dpop",
  "gcpkms://projects/p/locations/europe-west3/keyRings/r/cryptoKeys/dpop",
  "vault://vault.example.com:8200/transit/dpop",
  "openssl:handle:0x81010001",
  "ssh-agent:SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
  "file:///run/keys/dpop.pem?passphrase-source=env:KEY_PASSPHRASE",
  "memory:",
];

const ISSUER = "--issuer https://auth.example.com --client-id agent";
const KEY = "--key file:///run/keys/dpop.pem";

/** Command → examples. A line that ends with a backslash continues on the next one. */
export const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  keygen: [
    "hardproof keygen \\\n  'pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:PIN'",
    "hardproof keygen --alg PS256 file:///run/keys/client.pem",
    "hardproof keygen --require hsm,tpm \\\n  'tpm:token=agents;object=dpop?pin-source=env:PIN'",
  ],
  keys: [
    "hardproof keys 'pkcs11:token=agents?module-name=softhsm2&pin-source=env:PIN'",
    "hardproof keys 'awskms:///?region=eu-central-1'",
    "hardproof keys --tokens 'pkcs11:?module-name=softhsm2'",
  ],
  delete: [
    "hardproof delete \\\n  'pkcs11:token=agents;object=dpop?module-name=softhsm2&pin-source=env:PIN'",
    "hardproof delete 'awskms:///alias/dpop?region=eu-central-1' --days 7 --yes",
  ],
  show: [
    "hardproof show file:///run/keys/dpop.pem",
    "hardproof show 'pkcs11:token=agents;object=dpop?module-name=softhsm2'",
    "hardproof show --only jwks > jwks.json",
  ],
  csr: [
    "hardproof csr --subject 'CN=agent-7,O=Example' --out agent-7.csr",
    "hardproof csr file:///run/keys/dpop.pem --subject CN=agent-7 \\\n  --uri spiffe://example.com/agent-7",
  ],
  proof: [
    "hardproof proof GET https://api.example.com/resource",
    "hardproof proof file:///run/keys/dpop.pem POST https://api.example.com/ \\\n  --token-env TOKEN",
  ],
  verify: [
    "hardproof proof GET https://api.example.com/ | hardproof verify -",
    "hardproof verify - --method GET --url https://api.example.com/ < proof.txt",
  ],
  register: [
    "hardproof register --issuer https://auth.example.com --client-name 'Agent 7' \\\n  --output agent-7.json",
    "hardproof register --issuer https://auth.example.com \\\n  --redirect-uri http://127.0.0.1/callback",
  ],
  token: [
    `hardproof token ${ISSUER} \\\n  --scope read`,
    `hardproof token ${ISSUER} \\\n  --client-auth private_key_jwt --client-key file:///run/keys/client.pem`,
    `hardproof token ${ISSUER} \\\n  --grant authorization_code --scope 'openid read'`,
    "hardproof token --token-endpoint https://auth.example.com/oauth/token \\\n  --client-id agent --timeout 5",
  ],
  introspect: [
    `hardproof introspect ${ISSUER} \\\n  --token-env TOKEN`,
    `hardproof introspect ${ISSUER} \\\n  --token-file token.txt ${KEY}`,
  ],
  revoke: [
    `hardproof revoke ${ISSUER} \\\n  --token-env TOKEN`,
    `hardproof revoke ${ISSUER} \\\n  --token-file refresh.txt --token-type-hint refresh_token`,
  ],
  fetch: [
    `hardproof fetch https://api.example.com/resource \\\n  ${ISSUER}`,
    "hardproof fetch https://api.example.com/resource --token-env TOKEN -i \\\n  --timeout 120",
    "hardproof fetch https://api.example.com/orders --token-file token.txt \\\n  -H 'content-type: application/json' -d @order.json",
  ],
  doctor: [
    "hardproof doctor --server https://auth.example.com",
    "hardproof doctor file:///run/keys/dpop.pem --no-login",
    "hardproof doctor --require hsm,tpm",
  ],
  bench: ["hardproof bench memory: --seconds 2", "hardproof bench --concurrency 1,8,64"],
  demo: ["hardproof demo", "hardproof demo file:///run/keys/dpop.pem"],
  completion: [
    "hardproof completion bash \\\n  > ~/.local/share/bash-completion/completions/hardproof",
    'hardproof completion zsh > "$HOME/.zfunc/_hardproof"',
    "hardproof completion fish > ~/.config/fish/completions/hardproof.fish",
  ],
  man: ["hardproof man > hardproof.1 && man ./hardproof.1"],
};
