from local.main import main

main()
