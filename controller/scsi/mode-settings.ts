/**
 * The mode parameters that initiators may change. All nexuses share them, they are not saved, and a
 * reset of the logical unit brings the defaults back (SPC-4 clause 7.5.1), as does a new controller.
 */
export class ModeSettings {
  /** SWP of the control mode page: commands that change the medium are refused. */
  isWriteProtected = false;

  reset(): void {
    this.isWriteProtected = false;
  }
}
