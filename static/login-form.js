/** The login form: it is shown to nobody who is signed in, so other tabs are signed out as well. */

import { announceSignOut } from "./shared/sign-out-channel.js";

announceSignOut();
