"""An RTSP server that takes what is published, for Debian's Python with GStreamer's bindings.

    python3 record_server.py PORT FILE.ts PASSWORD BASIC|DIGEST

The user is `user`, the path `/live`; it says `ready` and writes what comes into the file.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main(port: str, path: str, password: str, method: str) -> None:
    """Serve for ever."""
    Gst.init(None)
    factory = GstRtspServer.RTSPMediaFactory.new()
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.set_launch(
        f"( rtph264depay name=depay0 ! h264parse ! mpegtsmux ! filesink location={path} )"
    )
    rights = GstRtspServer.RTSPPermissions.new()
    rights.add_role("user")
    rights.add_permission_for_role("user", "media.factory.access", True)
    rights.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(rights)
    token = GstRtspServer.RTSPToken.new()
    token.set_string("media.factory.role", "user")
    auth = GstRtspServer.RTSPAuth.new()
    auth.set_supported_methods(getattr(GstRtsp.RTSPAuthMethod, method))
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic("user", password), token)
    auth.add_digest("user", password, token)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    server.set_auth(auth)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
