import { test } from 'node:test';
import { rows } from './spatial.ts';

const names: Readonly<Record<string, string>> = {
  'R-004': 'what clients can make the configuration and spatial servers hold is bounded',
  'R-217': 'each scope of the configuration and spatial servers against each method',
  'R-221': 'a VAL service takes a token for that VAL service',
  'R-604': 'a token for each spatial service, a scope for each operation, entities that are allowed, an observation that ends',
  'R-605': 'the token is signed by the SIM-S, or encrypted with a key that only the SIM-S and the server have',
};

for (const [row, check] of Object.entries(rows)) test(`${row}: ${names[row]}`, check);
