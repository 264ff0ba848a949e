// Writes quickstart-create.json and quickstart-get.json beside this file, with @simplewebauthn/server. README.md says how.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// Resolved from the folder that the script is run in, where the library was installed.
const library = createRequire(`${process.cwd()}/`).resolve('@simplewebauthn/server');
const { generateAuthenticationOptions, generateRegistrationOptions } = await import(pathToFileURL(library));

const rpID = 'vault.example';
const seconds = 1000;

// docs/vault-format.md, salt_mode 3: L("prf") || zero(48), the one input that is known before the vault is.
const label = new TextEncoder().encode('countersign/v1/prf\0');
const first = Buffer.concat([label, Buffer.alloc(48)]).toString('base64url');
const extensions = { prf: { eval: { first } } };

const create = await generateRegistrationOptions({
  rpName: 'Example Vault',
  rpID,
  userName: 'alex@vault.example',
  userDisplayName: 'Alex Example',
  timeout: 300 * seconds,
  authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  extensions,
});
const get = await generateAuthenticationOptions({
  rpID,
  timeout: 300 * seconds,
  userVerification: 'required',
  extensions,
});

for (const [name, options] of Object.entries({ create, get })) {
  writeFileSync(new URL(`quickstart-${name}.json`, import.meta.url), `${JSON.stringify(options, null, 2)}\n`);
}
