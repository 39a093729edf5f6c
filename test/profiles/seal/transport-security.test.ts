import { test } from 'node:test';
import { rows } from './rows/transport-security.ts';

for (const [row, check] of Object.entries(rows)) test(`${row}: DTLS as TS 33.210 and TS 33.310 have it`, check);
