#!/bin/sh
cat /etc/app
