import type { ModeSettings } from './mode-settings.ts';

/**
 * Mode pages (SPC-4 clause 7.5, SBC-3 clause 6.5) with their default values. Only SWP, the software write
 * protect bit of the control page, can be changed.
 */
export const CACHING_PAGE: Buffer = Buffer.alloc(20);
CACHING_PAGE.set([0x08, 18, 0x04]); // WCE: the write cache is volatile and says so (I8)

export const CONTROL_PAGE: Buffer = Buffer.alloc(12);
// TST 001b, a task set for each nexus; GLTSD; commands may be reordered without restriction.
// D_SENSE is 0: sense data comes in fixed format.
CONTROL_PAGE.set([0x0a, 10, 0x22, 0x10]);

export const INFORMATIONAL_EXCEPTIONS_PAGE: Buffer = Buffer.alloc(12);
INFORMATIONAL_EXCEPTIONS_PAGE.set([0x1c, 10, 0x08]); // DEXCPT: failure predictions are disabled

const SWP = { AT: 4, BIT: 0x08 } as const;

/** In ascending order of their codes, as "all pages" returns them. */
const PAGES = [CACHING_PAGE, CONTROL_PAGE, INFORMATIONAL_EXCEPTIONS_PAGE];

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

/** The pages that MODE SENSE asks for; none when there is no such page. */
export function selectPages(pageCode: number, subpageCode: number): readonly Buffer[] {
  if (subpageCode !== 0 && subpageCode !== ALL_SUBPAGES) return [];
  return pageCode === ALL_PAGES ? PAGES : PAGES.filter((page) => page[0] === pageCode);
}

/** The page with the values of now. */
export function makeCurrentPage(page: Buffer, { isWriteProtected }: ModeSettings): Buffer {
  if (page !== CONTROL_PAGE || !isWriteProtected) return page;
  const current = Buffer.from(page);
  current[SWP.AT] = (current[SWP.AT] as number) | SWP.BIT;
  return current;
}

/** The same page with a bit set for each that MODE SELECT can change. */
export function makeChangeableMask(page: Buffer): Buffer {
  const mask = Buffer.alloc(page.length);
  page.copy(mask, 0, 0, 2);
  if (page === CONTROL_PAGE) mask[SWP.AT] = SWP.BIT;
  return mask;
}

/** Takes what can be changed from a page that is in order. Returns whether anything is new. */
export function applyPage(page: Buffer, given: Buffer, settings: ModeSettings): boolean {
  if (page !== CONTROL_PAGE) return false;
  const isWriteProtected = ((given[SWP.AT] as number) & SWP.BIT) !== 0;
  const isNew = isWriteProtected !== settings.isWriteProtected;
  settings.isWriteProtected = isWriteProtected;
  return isNew;
}
