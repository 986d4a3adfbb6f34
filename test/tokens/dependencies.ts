/** The dependencies of the other tokens. Only Debian's packages are tested; the other names come from their distributions. */
import { statSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { commandPath } from "../../softhsm/command.js";
import { type Dependency, libraryPath } from "../../softhsm/dependencies.js";

/** A tool that lists and makes objects with any PKCS#11 library. */
export const PKCS11_TOOL_DEPENDENCIES = {
  "pkcs11-tool": {
    title: "OpenSC's pkcs11-tool",
    find: () => commandPath("pkcs11-tool"),
    packages: { "apt-get": "opensc", dnf: "opensc", apk: "opensc", brew: "opensc" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of a software TPM. */
export const SOFT_TPM_DEPENDENCIES = {
  swtpm: {
    title: "swtpm",
    find: () => commandPath("swtpm"),
    packages: { "apt-get": "swtpm", dnf: "swtpm", apk: "swtpm", brew: "swtpm" },
  },
  "dbus-daemon": {
    title: "dbus-daemon",
    find: () => commandPath("dbus-daemon"),
    packages: { "apt-get": "dbus", dnf: "dbus-daemon", apk: "dbus", brew: "dbus" },
  },
  "tpm2-abrmd": {
    title: "tpm2-abrmd",
    find: () => commandPath("tpm2-abrmd"),
    packages: { "apt-get": "tpm2-abrmd", dnf: "tpm2-abrmd", apk: "tpm2-abrmd" },
  },
  "tcti-tabrmd": {
    title: "libtss2-tcti-tabrmd",
    find: () => libraryPath("libtss2-tcti-tabrmd.so.0"),
    packages: { "apt-get": "libtss2-tcti-tabrmd0", dnf: "tpm2-abrmd", apk: "tpm2-abrmd" },
  },
  "tpm2-pkcs11": {
    title: "tpm2-pkcs11",
    find: () => libraryPath("libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1"),
    packages: { "apt-get": "libtpm2-pkcs11-1", dnf: "tpm2-pkcs11", apk: "tpm2-pkcs11" },
  },
  ...PKCS11_TOOL_DEPENDENCIES,
} satisfies Record<string, Dependency>;

/** The dependency of keys at handles of a software TPM, which OpenSSL can't create. */
export const TPM_HANDLE_DEPENDENCIES = {
  "tpm2-tools": {
    title: "tpm2-tools",
    find: () => commandPath("tpm2_evictcontrol"),
    packages: { "apt-get": "tpm2-tools", dnf: "tpm2-tools" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of keys that OpenSSL uses in a software TPM. */
export const TPM2_OPENSSL_DEPENDENCIES = {
  "tpm2-openssl": {
    title: "tpm2-openssl",
    find: () => libraryPath("ossl-modules/tpm2.so"),
    packages: { "apt-get": "tpm2-openssl", dnf: "tpm2-openssl" },
  },
  openssl: {
    title: "openssl",
    find: () => commandPath("openssl"),
    packages: { "apt-get": "openssl", dnf: "openssl" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of an NSS token. */
export const NSS_DEPENDENCIES = {
  nss: {
    title: "NSS",
    find: () => libraryPath("libsoftokn3.so"),
    packages: { "apt-get": "libnss3", dnf: "nss-softokn", apk: "nss", brew: "nss" },
  },
  certutil: {
    title: "NSS's certutil",
    find: () => commandPath("certutil"),
    packages: { "apt-get": "libnss3-tools", dnf: "nss-tools", apk: "nss-tools", brew: "nss" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of a p11-kit server. */
export const P11_KIT_DEPENDENCIES = {
  "p11-kit": {
    title: "p11-kit",
    find: () => commandPath("p11-kit"),
    packages: { "apt-get": "p11-kit", dnf: "p11-kit-server", apk: "p11-kit-server", brew: "p11-kit" },
  },
  "p11-kit-client": {
    title: "p11-kit's client module",
    find: () => libraryPath("p11-kit-client.so"),
    packages: { "apt-get": "p11-kit-modules", dnf: "p11-kit-server", apk: "p11-kit-server", brew: "p11-kit" },
  },
} satisfies Record<string, Dependency>;

/** The dependency of a provider for OpenSSL that the tests compile. Node's own headers contain it, too. */
export const STORE_PROVIDER_DEPENDENCIES = {
  headers: {
    title: "OpenSSL's headers",
    find: () =>
      ["/usr/include", "/usr/include/node", "/usr/local/include/node"].find((directory) =>
        statSync(join(directory, "openssl/core_dispatch.h"), { throwIfNoEntry: false })?.isFile(),
      ),
    packages: { "apt-get": "libssl-dev", dnf: "openssl-devel", apk: "openssl-dev" },
  },
} satisfies Record<string, Dependency>;

/** OpenSSL's engine for PKCS#11, by which Node's TLS uses a token's key. */
export const ENGINE_DEPENDENCIES = {
  engine: {
    title: "OpenSSL's engine for PKCS#11",
    find: () => libraryPath("engines-3/pkcs11.so"),
    packages: { "apt-get": "libengine-pkcs11-openssl", dnf: "openssl-pkcs11", apk: "libp11" },
  },
} satisfies Record<string, Dependency>;

/** The dependencies of an SSH agent. */
export const SSH_AGENT_DEPENDENCIES = {
  "ssh-agent": openSsh("ssh-agent"),
  "ssh-add": openSsh("ssh-add"),
  "ssh-keygen": openSsh("ssh-keygen"),
} satisfies Record<string, Dependency>;

function openSsh(program: string): Dependency {
  return {
    title: `OpenSSH's ${program}`,
    find: () => commandPath(program),
    packages: { "apt-get": "openssh-client", dnf: "openssh-clients", apk: "openssh-client", brew: "openssh" },
  };
}

/**
 * Returns the path of pkcs11-provider, OpenSSL's provider for PKCS#11, or `undefined` if it isn't installed. It isn't
 * installed by the tests, because Debian 12 doesn't have the package; the cache is for one that was built from source.
 */
export function pkcs11ProviderPath(): string | undefined {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const built = join(cache, "hardproof/pkcs11-provider/build/src/pkcs11.so");
  const isBuilt = statSync(built, { throwIfNoEntry: false })?.isFile() ?? false;
  return libraryPath("ossl-modules/pkcs11.so") ?? (isBuilt ? built : undefined);
}
