import { resolve } from 'node:path';
import type { ConfigPath } from './error.ts';
import type { ConfigFile } from './file.ts';
import { readKey } from './key-file.ts';
import { filePath, matching, optional, path, type Schema, section, whole } from './schema.ts';

/** The section `key_management` of the services of a SEAL server. */
export interface RawKeyManagement {
  readonly skms_uri: string;
  readonly skms_id?: string;
  readonly path?: string;
  /** Seconds. */
  readonly window?: number;
  readonly user_host?: string;
  readonly record_key_file: string;
  readonly records_file?: string;
}

/** What a key management server is made of, beside its records. */
export interface KeyManagementConfig {
  readonly sKmsUri: string;
  readonly sKmsId?: string;
  readonly path?: string;
  /** Seconds. */
  readonly window?: number;
  readonly userHost?: string;
  /** Seals the records. */
  readonly recordKey: Uint8Array;
  /** Absent: the records are in the store of the server. */
  readonly recordsFile?: string;
}

const recordKeyLength = 32;

function isUriWithHost(text: string): boolean {
  return URL.canParse(text) && new URL(text).hostname !== '';
}

export const skmsUri: Schema<string> = matching('a URI with a host, such as coap://127.0.0.1:5683/km', isUriWithHost);

export const keyManagementSchema: Schema<RawKeyManagement> = section('key management: skms_uri, record_key_file and more', {
  skms_uri: skmsUri,
  skms_id: optional(matching('text of 1 to 255 characters', (text) => text !== '' && text.length <= 255)),
  path: optional(path),
  window: optional(whole(1, 300, 'seconds')),
  user_host: optional(matching('the name of a host', (text) => /^[a-zA-Z0-9.-]{1,253}$/.test(text))),
  record_key_file: filePath,
  records_file: optional(filePath),
});

/** @param at - where the section stands in the file */
export function readKeyManagement(file: ConfigFile, raw: RawKeyManagement, at: ConfigPath): KeyManagementConfig {
  const { skms_id: sKmsId, path: place, window, user_host: userHost, records_file: records } = raw;
  const key = readKey(file, at, { record_key_file: raw.record_key_file }, 'record_key', 'record_key_file');
  if (key !== undefined && key.length !== recordKeyLength) {
    file.problem([...at, 'record_key_file'], `expected a key of ${recordKeyLength} bytes, got ${key.length}`);
  }
  return {
    sKmsUri: raw.skms_uri,
    ...(sKmsId !== undefined && { sKmsId }),
    ...(place !== undefined && { path: place }),
    ...(window !== undefined && { window }),
    ...(userHost !== undefined && { userHost }),
    recordKey: key ?? new Uint8Array(recordKeyLength),
    ...(records !== undefined && { recordsFile: resolve(file.folder, records) }),
  };
}
