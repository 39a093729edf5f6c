import type { Entry } from './entry.ts';
import type { Roles } from './roles.ts';

export interface PictureOptions {
  readonly title: string;
  readonly roles: Roles;
}
export function ladderPage(_entries: readonly Entry[], _options: PictureOptions): string {
  return '';
}
export function ladderPicture(_entries: readonly Entry[], _options: PictureOptions): string {
  return '';
}
