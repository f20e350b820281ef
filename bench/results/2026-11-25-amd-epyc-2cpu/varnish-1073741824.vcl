# /usr/sbin/varnishd -F -j none -n FOLDER/10-Varnish/work -f FOLDER/10-Varnish/varnish.vcl -a 127.0.0.1:42469 -s malloc,1048576k -p thread_pool_min=200 -p thread_pool_max=4000
vcl 4.1;
backend origin { .host = "127.0.0.1"; .port = "46465"; }
sub vcl_backend_response { set beresp.ttl = 1d; set beresp.grace = 1h; }
