import { test } from 'node:test';
import { rows } from '../rows/akma.ts';

const names: Readonly<Record<string, string>> = {
  'R-500': 'MSGin5G clients and servers authenticate by AKMA',
  'R-501': 'without K_AKMA and A-KID a client sends nothing',
  'R-502': 'K_AF is the PSK of DTLS',
  'R-503': 'OSCORE comes up from K_AF too',
  'R-504': 'a UE registers the UE service IDs that are its own',
  'R-505': 'the association comes from the configuration management server, by the UE ID of the AAnF',
  'R-506': 'nothing of MSGin5G-1 is in clear, altered or replayed',
};

for (const [row, check] of Object.entries(rows)) test(`${row}: ${names[row]}`, check);
