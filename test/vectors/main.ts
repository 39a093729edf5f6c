/**
 * Writes the files of `fixtures/vectors`, or with `--check` says whether they are what the seed gives.
 *
 *     npm run vectors -- [--seed TEXT] [--check]
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { useCrypto } from '../../src/core/index.ts';
import { defaultSeed, folder, generate } from './generate.ts';

const { values } = parseArgs({ options: { seed: { type: 'string', default: defaultSeed }, check: { type: 'boolean', default: false } } });
// It signs with ECDSA as RFC 6979 has it, so that every signature comes out the same.
await useCrypto('portable');
const files = generate(values.seed);
const differing = [...files].filter(([name, text]) => !existsSync(join(folder, name)) || readFileSync(join(folder, name), 'utf8') !== text);
if (!values.check) for (const [name, text] of differing) writeFileSync(join(folder, name), text);
for (const [name] of differing) console.log(values.check ? `${name} differs` : `${name} written`);
console.log(`${files.size} files, ${[...files.values()].reduce((sum, text) => sum + text.length, 0)} bytes, seed ${JSON.stringify(values.seed)}`);
if (values.check && differing.length > 0) process.exitCode = 1;
