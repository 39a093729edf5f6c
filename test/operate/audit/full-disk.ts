/** A process of its own that may write files of so many bytes and no more: it appends until the log refuses, and says what it could. */
import { AuditLog } from '../../../src/operate/index.ts';

const log = await AuditLog.open({ folder: process.argv[2]!, version: '0' });
const codes = new Set<string>();
let written = 0;
for (let i = 0; i < 100; i++) {
  try {
    await log.append({ type: 'token-issued' });
    written++;
  } catch (error) {
    codes.add((error as { code: string }).code);
  }
}
await log.close();
console.log(JSON.stringify({ written, codes: [...codes] }));
