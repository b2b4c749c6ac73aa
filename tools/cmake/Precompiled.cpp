// SPDX-License-Identifier: Apache-2.0
// The one source of YupanaPCH; other libraries reuse its precompiled header.
