import { test } from 'node:test';
import { rows } from '../rows/key-management.ts';

for (const [id, check] of Object.entries(rows)) test(`${id}: key management`, check);
