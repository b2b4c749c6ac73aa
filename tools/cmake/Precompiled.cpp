// The one source of YupanaPCH; other libraries reuse its precompiled header.
