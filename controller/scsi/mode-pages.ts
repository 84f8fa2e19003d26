/**
 * Mode pages (SPC-4 clause 7.5, SBC-3 clause 6.5). None of their values can be changed, so the
 * current and the default ones are the same, and the mask of changeable ones is all zeros.
 */
export const CACHING_PAGE: Buffer = Buffer.alloc(20);
CACHING_PAGE.set([0x08, 18, 0x04]); // WCE: the write cache is volatile and says so (I8)

export const CONTROL_PAGE: Buffer = Buffer.alloc(12);
// TST 001b, a task set for each nexus; GLTSD; commands may be reordered without restriction.
// D_SENSE is 0: sense data comes in fixed format.
CONTROL_PAGE.set([0x0a, 10, 0x22, 0x10]);

export const INFORMATIONAL_EXCEPTIONS_PAGE: Buffer = Buffer.alloc(12);
INFORMATIONAL_EXCEPTIONS_PAGE.set([0x1c, 10, 0x08]); // DEXCPT: failure predictions are disabled

/** In ascending order of their codes, as "all pages" returns them. */
const PAGES = [CACHING_PAGE, CONTROL_PAGE, INFORMATIONAL_EXCEPTIONS_PAGE];

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;

/** The pages that MODE SENSE asks for; none when there is no such page. */
export function selectPages(pageCode: number, subpageCode: number): readonly Buffer[] {
  if (subpageCode !== 0 && subpageCode !== ALL_SUBPAGES) return [];
  return pageCode === ALL_PAGES ? PAGES : PAGES.filter((page) => page[0] === pageCode);
}

/** The same page with its values zero: which of them MODE SELECT could change. */
export function makeChangeableMask(page: Buffer): Buffer {
  const mask = Buffer.alloc(page.length);
  page.copy(mask, 0, 0, 2);
  return mask;
}
