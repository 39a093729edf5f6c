/** A DTLS server without a socket that goes on with the connections of a file: `dtls-import.js FILE`. */
import { importSaved } from '../dtls-import.ts';
import { serve } from './serve.ts';

serve(0, () => Promise.resolve(), { import: () => importSaved(process.argv[2]!) });
