"""The texts that :mod:`flask_embed.config` fills in.

``<<name>>`` is a value. A line that begins with ``?name`` is there if that value is not empty, one with ``!name`` if it
is; both can be repeated, and a space ends them.
"""

from __future__ import annotations

__all__ = ["TEMPLATES"]

_NGINX = r"""
<<commands>>
#
# /etc/nginx/conf.d/<<name>>.conf; then: nginx -t && nginx -s reload
# For a server that is there already take what stands within server { }, and the upstream.

upstream <<name>> {
?balanced     # One that fails twice within ten seconds is not asked for the next ten.
<<backends>>
    keepalive 16;
}

server {
    listen <<listen>>;
?server_name     server_name <<server_name>>;
    client_max_body_size <<max_body>>;
    merge_slashes off;
    underscores_in_headers off;  # X_Forwarded_For would pass for X-Forwarded-For
?static
?static     location ^~ "<<static_url>>" {
?static         alias <<static>>;
?static     }

?prefix     location ~ "(?s)^<<pattern>>(?:/|\z)" {
!prefix     location / {
?fastcgi?prefix         fastcgi_split_path_info "(?s)^(<<pattern>>)(|/.*)\z";
?fastcgi?prefix         fastcgi_param SCRIPT_NAME $fastcgi_script_name;
?fastcgi?prefix         fastcgi_param PATH_INFO $fastcgi_path_info;
?fastcgi!prefix         fastcgi_param SCRIPT_NAME "";
?fastcgi!prefix         fastcgi_param PATH_INFO $uri;
?fastcgi         fastcgi_param QUERY_STRING $query_string;
?fastcgi         fastcgi_param REQUEST_METHOD $request_method;
?fastcgi         fastcgi_param REQUEST_URI $request_uri;
?fastcgi         fastcgi_param REQUEST_SCHEME $scheme;
?fastcgi         fastcgi_param HTTPS $https if_not_empty;
?fastcgi         fastcgi_param CONTENT_TYPE $content_type;
?fastcgi         fastcgi_param CONTENT_LENGTH $content_length;
?fastcgi         fastcgi_param GATEWAY_INTERFACE CGI/1.1;
?fastcgi         fastcgi_param SERVER_PROTOCOL $server_protocol;
?fastcgi         fastcgi_param SERVER_SOFTWARE nginx;
?fastcgi         fastcgi_param SERVER_NAME <<server_name_variable>>;
?fastcgi         fastcgi_param SERVER_ADDR $server_addr;
?fastcgi         fastcgi_param SERVER_PORT $server_port;
?fastcgi         fastcgi_param REMOTE_ADDR $remote_addr;
?fastcgi         fastcgi_param REMOTE_PORT $remote_port;
?fastcgi         fastcgi_param REMOTE_USER $remote_user if_not_empty;
?fastcgi         # What a client may not tell the app:
?fastcgi         fastcgi_param HTTP_PROXY "" if_not_empty;
?fastcgi         fastcgi_param HTTP_FORWARDED "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_FOR "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PROTO "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_HOST "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PORT "" if_not_empty;
?fastcgi         fastcgi_param HTTP_X_FORWARDED_PREFIX "" if_not_empty;
?fastcgi
?fastcgi         fastcgi_pass <<name>>;
?fastcgi         fastcgi_keep_conn on;
?http         proxy_pass http://<<name>>;  # without a path, so that the whole one is sent
?http         proxy_http_version 1.1;
?http         proxy_set_header Connection "";
?http         proxy_set_header Host $http_host;  # with its port
?http         proxy_set_header X-Forwarded-For $remote_addr;
?http         proxy_set_header X-Forwarded-Proto $scheme;
?http         # What a client may not tell the app:
?http         proxy_set_header X-Forwarded-Host "";
?http         proxy_set_header X-Forwarded-Port "";
?http         proxy_set_header X-Forwarded-Prefix "";
?http         proxy_set_header Forwarded "";
?http         proxy_set_header Proxy "";

        # Uploads wait here until they are whole, so that slow clients keep no worker busy; with
        # <<directive>>_request_buffering off they go on as they come. Answers wait for slow clients, too;
        # those with the header X-Accel-Buffering: no go on as they come.
        <<directive>>_buffer_size 16k;
        <<directive>>_buffers 8 16k;
?balanced
?balanced         # Another one is asked again, unless it is for what may have an effect: a POST that was sent.
?balanced         <<directive>>_next_upstream error timeout;
?balanced         <<directive>>_next_upstream_tries 3;
?balanced         <<directive>>_connect_timeout 3s;
?balanced         <<directive>>_read_timeout 60s;  # without a sign of an answer
    }
}

# What nginx does not pass on: a header line of more than 8 KB (400; large_client_header_buffers).
?fastcgi # A path with /../ in it is resolved first.
"""

_LIGHTTPD = """
<<commands>>
#
# /etc/lighttpd/conf-enabled/50-<<name>>.conf; then: lighttpd -tt -f /etc/lighttpd/lighttpd.conf
?script #
?script # <<script_path>> holds these lines, and may be executed (chmod 755):
?script <<script_lines>>

server.modules += ( <<modules_quoted>> )

?listen $SERVER["socket"] == "<<listen>>" {
?server_name $HTTP["host"] == "<<server_name>>" {
?static $HTTP["url"] =~ "^<<static_pattern>>" {
?static     alias.url = ( "<<static_url>>" => <<static>> )
?static }
?static else $HTTP["url"] =~ "^<<pattern>><<border>>" {
!static $HTTP["url"] =~ "^<<pattern>><<border>>" {
    server.max-request-size = <<max_body_kib>>  # KiB; 0 is any

    # Answers are sent on as they come. Uploads wait here until they are whole: slow clients keep no worker busy.
    server.stream-response-body = 1

    # What a client may not tell the app:
?http     setenv.set-request-header = (
?http         "X-Forwarded-For" => "", "X-Forwarded-Proto" => "", "X-Forwarded-Host" => "",
?http         "X-Forwarded-Port" => "", "X-Forwarded-Prefix" => "", "Forwarded" => "", "Proxy" => ""
?http     )
!http     setenv.set-environment = (  # however the header is spelled: X_Forwarded_For, X.Forwarded.For
!http         "HTTP_X_FORWARDED_FOR" => "", "HTTP_X_FORWARDED_PROTO" => "", "HTTP_X_FORWARDED_HOST" => "",
!http         "HTTP_X_FORWARDED_PORT" => "", "HTTP_X_FORWARDED_PREFIX" => "", "HTTP_FORWARDED" => ""
!http     )

?cgi     alias.url = ( "<<where>>" => <<script_mounted>> )
?cgi     cgi.assign = ( "" => "" )
?http?balanced     proxy.balance = "round-robin"
?http     proxy.server = ( "" => (
?http <<backends>>
?http     ))
?fcgi?balanced     fastcgi.balance = "round-robin"
?fcgi     fastcgi.server = ( "<<where>>" => (
?fcgi <<backends>>
?fcgi     ))
}
?server_name }
?listen }

# What lighttpd does to a path: // becomes / and /../ is resolved.
?http # (Not with "url-normalize" => "disable" in server.http-parseopts, which counts for the whole server.)
!http # A body without a length (chunked) has one when it is whole; with server.stream-request-body it is a 411.
"""

_APACHE = r"""
<<commands>>
?wsgi # mod_wsgi runs the app in processes of Apache; there is no other command to start.
#
# /etc/apache2/sites-available/<<name>>.conf; then:
# a2enmod <<modules>> && a2ensite <<name>> && apachectl configtest && apachectl graceful
# For a server that is there already take what stands within <VirtualHost>.
?script #
?wsgi # <<script_path>> holds these lines:
?starts # <<script_path>> holds these lines, and may be executed (chmod 755):
?script <<script_lines>>

?listen Listen <<listen>>
<VirtualHost <<place>>>
?server_name     ServerName <<server_name>>
!spawn     LimitRequestBody <<max_body>>
?spawn     # Its own limit would have the app see an empty body; FcgidMaxRequestLen below refuses what is larger.
?spawn     LimitRequestBody 0
    MergeSlashes Off
    # Otherwise %2F in a path is a 404. (NoDecode would judge /admin%2Fx by the rules of another path than the app's.)
    AllowEncodedSlashes On

    # What a client may not tell the app:
    RequestHeader unset Proxy early
    RequestHeader unset Forwarded early
    RequestHeader unset X-Forwarded-For early
    RequestHeader unset X-Forwarded-Proto early
    RequestHeader unset X-Forwarded-Host early
    RequestHeader unset X-Forwarded-Port early
    RequestHeader unset X-Forwarded-Prefix early
?static
?static     Alias "<<static_url>>" <<static>>
?static     <Directory <<static>>>
?static         Require all granted
?static     </Directory>
?static?external     ProxyPass "<<static_url>>" "!"

?fastcgi?prefix     ProxyPassMatch "^<<pattern>>(/.*)?$" <<target>> flushpackets=on
?fastcgi!prefix     ProxyPass "/" <<target>> flushpackets=on
?fastcgi     ProxyFCGIBackendType GENERIC
?fastcgi     ProxyFCGISetEnvIf "true" SCRIPT_NAME "<<prefix>>"
?fastcgi     ProxyFCGISetEnvIf "%{REQUEST_URI} =~ m#^<<pattern>>(.*)$#" PATH_INFO "$1"
?fastcgi     <LocationMatch "^<<pattern>><<border>>">
?fastcgi         CGIPassAuth On
?fastcgi     </LocationMatch>
?http     ProxyPreserveHost On
?http     RequestHeader set X-Forwarded-Proto expr=%{REQUEST_SCHEME}
?http?prefix     ProxyPassMatch "^<<raw_pattern>>(/|$)" <<target>> nocanon
?http!prefix     ProxyPass "/" <<target>> nocanon
?spawn     FcgidMaxRequestLen <<fcgid_max_body>>
?spawn     # Each process has one request at a time.
?spawn     FcgidMaxProcessesPerClass <<fcgid_processes>>
?spawn     FcgidIOTimeout 60
?spawn     FcgidOutputBufferSize 0
?spawn     Alias "<<where>>" <<script_mounted>>
?spawn     <LocationMatch "^<<pattern>><<not_static>><<border>>">
?spawn         SetHandler fcgid-script
?spawn         Options +ExecCGI
?spawn         CGIPassAuth On
?spawn     </LocationMatch>
?cgi     ScriptAlias "<<where>>" <<script_mounted>>
?cgi     <LocationMatch "^<<pattern>><<border>>">
?cgi         CGIPassAuth On
?cgi         # Otherwise a client cannot see that an answer has broken off.
?cgi         SetEnv ap_trust_cgilike_cl yes
?cgi     </LocationMatch>
?wsgi     WSGIDaemonProcess <<name>> processes=<<workers>> threads=15 python-home=<<home>> python-path=<<folder>> \
?wsgi         <<account>>lang=C.UTF-8 locale=C.UTF-8 display-name=%{GROUP}
?wsgi     WSGIScriptAlias "<<where>>" <<script>> process-group=<<name>> application-group=%{GLOBAL}
?wsgi     WSGIPassAuthorization On
?wsgi     # Otherwise a body without a length is a 411.
?wsgi     WSGIChunkedRequest On
?script     <Directory <<script_folder>>>
?script         Require all granted
?script     </Directory>
</VirtualHost>

?http # What Apache cannot do: LimitRequestBody does not count for what it passes on; --limit-body of the runner does.
?fastcgi # What Apache does to a path: /../ is resolved.
?fastcgi # LimitRequestBody does not count for what it passes on; --limit-body of the runner does.
?spawn # A body that is too large is a 500.
!external # What Apache does to a path: // becomes /, MergeSlashes or not, and /../ is resolved.
"""

_SYSTEMD = """
# <<command>>
#
# Two files, the parts of this one; then: systemctl daemon-reload && systemctl enable --now <<name>>.socket

# /etc/systemd/system/<<name>>.socket
[Unit]
Description=Socket of <<app>>

[Socket]
ListenStream=<<stream>>
?is_unix SocketMode=0660
?is_unix SocketGroup=<<group>>

[Install]
WantedBy=sockets.target

# /etc/systemd/system/<<name>>.service
[Unit]
Description=<<app>>
Requires=<<name>>.socket
After=network.target <<name>>.socket

[Service]
ExecStart=<<exec>>
ExecReload=kill -HUP $MAINPID
WorkingDirectory=<<folder>>
User=<<user>>
Group=<<group>>
Restart=always
RestartSec=1
# A command that cannot work ends with 2, and so would each that follows it.
RestartPreventExitStatus=2
# Running requests have <<graceful>> seconds to end, then the rest is killed.
KillMode=mixed
TimeoutStopSec=<<stop>>
NoNewPrivileges=yes
PrivateTmp=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictSUIDSGID=yes

[Install]
WantedBy=multi-user.target
"""

#: by the names of :data:`flask_embed.config.SERVERS`
TEMPLATES = {"nginx": _NGINX, "lighttpd": _LIGHTTPD, "apache": _APACHE, "systemd": _SYSTEMD}
